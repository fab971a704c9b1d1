#include "ask.h"

#include "ctl/lines_text.h"
#include "ctl/status_text.h"
#include "sys/loop.h"

#define LINE_TEXT_MAX (CLIENT_LINE_MAX * 8) /* escaped and in colour, a line grows */
#define TEXT_MAX      (64 << 20)

struct show {
	struct ask ask;
	char section[LINES_SECTION]; /* of the configuration: that of the option printed last */
	unsigned n_lines;	     /* shown as they came */
};

/* Most lines are printed as they come; those of a status are kept for its end. */
static void take_line(struct ask *ask, const struct json_value *line)
{
	struct show *s = container_of(ask, struct show, ask);
	const struct json_value *last = view_last(&ask->ctl->client.view);
	struct strbuf text = STRBUF_GROWS(LINE_TEXT_MAX);
	struct screen screen = out_screen(&text);

	/* A step on the way is a bar, which moves while nothing comes. */
	if (out_is_terminal() && lines_add_bar(last, loop_clock_ms() - ask->began_ms, &screen)) {
		s->n_lines++;
		out_progress(&text);
		return;
	}
	/* How a service ended stays to be read. */
	if (lines_add(line, &screen, s->section))
		s->n_lines++;
	/* Not the end: the options in force follow. */
	else if (json_doc_is(line, "type", "file-error"))
		out_error("what the file says is not known: %s", json_doc_text(line, "message"));
	if (text.len || text.cut)
		out_buf(&text);
}

/*
 * What to say if the broker answers nothing but "ok". $1 and $2 are the arguments, $3 is what is
 * particular to a command: see confirm().
 */
static const char *const confirmations[] = {
	[COMMAND_RELOAD] = "the reload has begun; brokerctl status shows it",
	[COMMAND_RESTART] = "the restart has begun; brokerctl status shows it",
	[COMMAND_ROLLBACK] = "the rollback has begun; brokerctl status shows it",
	[COMMAND_RELOAD_ABORT] = "the reload is aborted: workers not yet replaced stay",
	[COMMAND_SCALE] = "$1 is to have $2 worker$3 until the next reload",
	[COMMAND_HOLD] = "$1 is held: it gets no connections until brokerctl release $1",
	[COMMAND_RELEASE] = "$1 is in the round again",
	[COMMAND_PAUSE] = "$1 drains; new clients wait until brokerctl start $1",
	[COMMAND_START] = "$1 starts; brokerctl status shows it",
	[COMMAND_STOP] = "$1 stops$3",
	[COMMAND_SIGNAL] = "$1 was sent $2",
	[COMMAND_PIN] = "connections from $1 go to $2$3",
	[COMMAND_NEXT] = "the next connection goes to $1",
	[COMMAND_UNPIN] = "unpinned: $1",
	/* For programs: what they need is in the lines that --json prints. */
	[COMMAND_JOIN] = "$1 accepts guests; use worker-shim --join, see worker-shim(1)",
};

static void confirm(const struct request *r, struct strbuf *out)
{
	enum command_id id = r->command->id;
	const char *at = id < ARRAY_SIZE(confirmations) ? confirmations[id] : NULL;
	const char *first = r->arguments[0].text, *second = r->arguments[1].text, *time;
	STRBUF(third, 512);

	if (!at)
		return;
	if (!first)
		first = "the broker";
	if (id == COMMAND_SCALE && strcmp(second, "1") != 0)
		strbuf_add(&third, "s");
	if (id == COMMAND_STOP && !request_has(r, "--now"))
		strbuf_add(&third, " as soon as its connections are served");
	if (id == COMMAND_PIN) {
		time = request_option(r, "--for")->text;
		strbuf_addf(&third, "%s%s", time ? " for " : " until brokerctl unpin ",
			    time ? time : first);
	}
	for (; *at; at++) {
		if (*at == '$')
			strbuf_add(out, *++at == '1' ? first : *at == '2' ? second : third.text);
		else
			strbuf_add_bytes(out, at, 1);
	}
	strbuf_add(out, "\n");
}

static void add_end(const struct show *s, struct ctl *ctl, bool plan, struct strbuf *out)
{
	enum command_id id = ctl->request.command->id;
	const char *message = json_doc_text(view_last(&ctl->client.view), "message");
	const struct view_row *row = NULL;
	struct screen screen = out_screen(out);

	if (id == COMMAND_STATUS) {
		status_text(&ctl->client.view, &screen);
		return;
	}
	screen.columns = TEXT_UNLIMITED;
	while (id == COMMAND_PINS && (row = view_next(&ctl->client.view, NULL, "pin", row)))
		status_add_pin(&screen, 0, row->object);
	if (id == COMMAND_PINS)
		strbuf_add(out, out->len ? "" : "nothing is pinned\n");
	else if (plan && !s->n_lines)
		strbuf_add(out, "no setting changes; a reload would replace the workers\n");
	else if (*message && !plan)
		text_wrap(&screen, 0, false, message);
	else if (!s->n_lines)
		confirm(&ctl->request, out);
}

enum ctl_exit ctl_show(struct ctl *ctl)
{
	const struct request *r = &ctl->request;
	enum command_id id = r->command->id;
	bool rolls = id == COMMAND_RELOAD || id == COMMAND_RESTART || id == COMMAND_ROLLBACK ||
		     id == COMMAND_START;
	bool plan = id == COMMAND_RELOAD && request_has(r, "--plan");
	bool follows = id == COMMAND_EVENTS && request_has(r, "--follow");
	struct show s = {
		.ask = { .line = ctl->json ? NULL : take_line,
			 .ends_at_interrupt = rolls,
			 .only_prints = id == COMMAND_EVENTS,
			 .is_patient = follows || (rolls && !plan) },
	};
	enum ctl_exit code = ask_run(&s.ask, ctl);
	struct strbuf text = STRBUF_GROWS(TEXT_MAX);

	if (code == CTL_OK && !ctl->json) {
		add_end(&s, ctl, plan, &text);
		out_buf(&text);
	}
	if (code == CTL_INTERRUPTED)
		out_error("the %s continues in the broker; brokerctl status shows it%s",
			  r->command->name,
			  id == COMMAND_RELOAD ? ", brokerctl reload abort aborts it" : "");
	return code;
}
