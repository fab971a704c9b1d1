#include "control.h"

#include "sys/log.h"

static void control_help(struct client *c)
{
	const char *only = client_argument(c);

	if (only && !command_find(only)) {
		client_error(c, "unknown-command", "there is no command %s; help shows all", only);
		return;
	}
	for (size_t i = 0; i < command_count; i++) {
		const struct command *cmd = &command_table[i];
		STRBUF(usage, 256);
		struct strbuf *out;

		if (cmd->right == RIGHT_LOCAL ||
		    (only ? strcmp(only, cmd->name) != 0 : cmd->hidden))
			continue;
		command_usage(cmd, &usage);
		out = client_line(c, "command");
		json_str(out, "command", cmd->name);
		json_str(out, "usage", usage.text);
		json_str(out, "help", cmd->help);
		json_end(out);
	}
	client_end(c);
}

/* The function that answers each command. Commands without one are done by brokerctl alone. */
static const struct answerer {
	void (*plain)(struct client *c);
	void (*service)(struct client *c, struct service *s); /* NULL: all */
	void (*worker)(struct client *c, struct worker *w);
	/* For the one service, or for all of them. */
	int (*each)(struct service *s, struct strbuf *words);
	bool of_current; /* it is refused for a worker that gets no connections anyway, */
	bool of_main;	 /* or whose main process has ended */
} answerers[] = {
	[COMMAND_STATUS] = { .plain = control_status },
	[COMMAND_EVENTS] = { .plain = control_events },
	[COMMAND_RELOAD] = { .service = control_reload },
	[COMMAND_RELOAD_ABORT] = { .each = control_reload_abort },
	[COMMAND_ROLLBACK] = { .each = control_rollback },
	[COMMAND_SCALE] = { .service = control_scale },
	[COMMAND_RESTART] = { .worker = control_restart },
	[COMMAND_HOLD] = { .worker = control_hold, .of_current = true },
	[COMMAND_RELEASE] = { .worker = control_release, .of_current = true },
	[COMMAND_PAUSE] = { .service = control_pause },
	[COMMAND_START] = { .service = control_start_service },
	[COMMAND_STOP] = { .service = control_end },
	[COMMAND_SIGNAL] = { .worker = control_signal, .of_main = true },
	[COMMAND_DEBUG] = { .worker = control_debug, .of_current = true, .of_main = true },
	[COMMAND_PIN] = { .worker = control_pin },
	[COMMAND_NEXT] = { .worker = control_next },
	[COMMAND_UNPIN] = { .plain = control_unpin },
	[COMMAND_PINS] = { .plain = control_pins },
	[COMMAND_CONFIG] = { .plain = control_config },
	[COMMAND_HELP] = { .plain = control_help },
	[COMMAND_JOIN] = { .service = control_join },
	[COMMAND_UPGRADE] = { .plain = control_upgrade },
};

static void add_sentence(const char *text, struct strbuf *out)
{
	strbuf_addf(out, "%s%s", out->len ? "; " : "", text);
}

/*
 * @fn changes one service and says what it has done, or with -errno why not. It is called for
 * @only, or for all (NULL). The request is refused only if no service was changed; otherwise the
 * answer names those that were not, too.
 */
static void for_services(struct client *c, const struct service *only,
			 int (*fn)(struct service *, struct strbuf *))
{
	STRBUF(done, 512);
	STRBUF(refused, 512);

	list_for_each (struct service, s, &client_broker(c)->services, link) {
		STRBUF(words, 512);
		int r;

		if (only && s != only)
			continue;
		r = fn(s, &words);
		add_sentence(words.text, r < 0 ? &refused : &done);
	}
	if (!done.len) {
		client_error(c, "refused", "%s", refused.len ? refused.text : "no service is left");
		return;
	}
	if (refused.len)
		add_sentence(refused.text, &done);
	client_end_saying(c, "%s", done.text);
}

static void call(struct client *c)
{
	const struct request *r = &c->request;
	const struct answerer *a = &answerers[r->command->id];
	const char *name = r->arguments[r->command->arguments[1].kind == KIND_WORKER].text;
	struct service *s = NULL;
	struct worker *w;

	assert(r->command->id < ARRAY_SIZE(answerers));
	if (a->plain) {
		a->plain(c);
	} else if (a->worker) {
		w = client_find_worker(c, name);
		if (w && a->of_current && !worker_state_is_current(w->state))
			client_error(c, "refused", "%s is %s: there is nothing to %s", w->name,
				     worker_state_names[w->state], r->command->name);
		else if (w && a->of_main && !w->pid)
			client_error(c, "refused", "the main process of %s has ended", w->name);
		else if (w)
			a->worker(c, w);
	} else {
		if (name)
			s = client_find_service(c, name);
		if (name && !s)
			return;
		if (a->each)
			for_services(c, s, a->each);
		else
			a->service(c, s);
	}
}

static void answer(struct client *c, const char *line)
{
	enum command_right right = request_right(&c->request);
	const char *name = c->request.command->name;
	const struct ucred *peer = &c->peer;

	if (right == RIGHT_LOCAL) {
		client_error(c, "bad-request", "%s is a command of brokerctl, not of the broker",
			     name);
		return;
	}
	if (right == RIGHT_STEER && !client_may_steer(c)) {
		client_error(c, "not-allowed",
			     "%s takes root or the user of the broker (%u); control_group may only "
			     "look",
			     name, (unsigned)geteuid());
		return;
	}
	if (right == RIGHT_STEER)
		log_event(LEVEL_INFO, "control", LOG_INT("uid", peer->uid),
			  LOG_INT("client", peer->pid), LOG_STR("request", line),
			  LOG_MSG("requested by process %d of user %u: %s", (int)peer->pid,
				  (unsigned)peer->uid, line));
	loop_note(&client_broker(c)->loop, name);
	call(c);
}

void commands_answer(struct client *c, const char *line)
{
	enum command_result result;
	STRBUF(error, 1024);
	size_t len;
	int n = words_split(WORDS_COMMAND, line, &c->words, &len, &error);

	if (n < 0) {
		client_error(c, "bad-request", "%s", n == -ENOMEM ? "out of memory" : error.text);
		return;
	}
	result = command_parse(c->words, (size_t)n, &c->request, &error);
	if (result == COMMAND_OK)
		answer(c, line);
	else
		client_error(c, result == COMMAND_BAD ? "bad-request" : "unknown-command", "%s",
			     error.text);
}
