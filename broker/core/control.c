#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/utf8.h"
#include "core/status.h"
#include "policy/nearest.h"
#include "sys/log.h"
#include "sys/unix_listener.h"
#include "sys/user.h"

#define CONTROL_NAME "control"
#define SHORTAGE_MS  100
#define GROUPS_MAX   256
#define ACCEPT_BATCH 16

/* --- answers ------------------------------------------------------------------------- */

static void go_on(struct client *c);

void client_answered(struct client *c)
{
	words_free(&c->words);
	c->words = (struct words){ 0 };
	c->state = c->debugged ? CLIENT_HOLDS : CLIENT_IDLE;
	stream_flush(&c->stream);
	/* What it asked for meanwhile has been read already. */
	go_on(c);
}

static void write_end(struct client *c, const char *message)
{
	json_begin(&c->stream.out);
	json_str(&c->stream.out, "type", "end");
	json_bool(&c->stream.out, "ok", true);
	if (message)
		json_str(&c->stream.out, "message", message);
	json_end(&c->stream.out);
	client_answered(c);
}

void client_end(struct client *c)
{
	write_end(c, NULL);
}

void client_end_saying(struct client *c, const char *fmt, ...)
{
	STRBUF(text, 512);
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	write_end(c, text.text);
}

void client_error(struct client *c, const char *code, const char *fmt, ...)
{
	STRBUF(text, CONF_ERROR_BYTES);
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	json_begin(&c->stream.out);
	json_str(&c->stream.out, "type", "error");
	json_str(&c->stream.out, "code", code);
	json_str(&c->stream.out, "message", text.text);
	json_end(&c->stream.out);
	client_answered(c);
}

/* --- names --------------------------------------------------------------------------- */

static void add_nearest(const char *name, const char *const *names, size_t n, struct strbuf *out)
{
	const char *near = nearest(name, names, n);

	if (near)
		strbuf_addf(out, "; did you mean %s?", near);
}

struct service *client_find_service(struct client *c, const char *name)
{
	struct service *found = service_find(c->master, name), *s;
	const char *names[CONF_SERVICES_MAX];
	STRBUF(near, 128);
	size_t n = 0;

	if (found)
		return found;
	list_for_each (s, &c->master->services, link)
		if (n < ARRAY_SIZE(names))
			names[n++] = service_name(s);
	add_nearest(name, names, n, &near);
	client_error(c, "unknown-service", "there is no service %s%s", name, near.text);
	return NULL;
}

/* Cuts "@GENERATION" off. 0: none was given. */
static unsigned cut_generation(char *name)
{
	char *at = strchr(name, '@');
	unsigned generation = 0;

	if (at && sscanf(at + 1, "%u", &generation) == 1)
		*at = '\0';
	return generation;
}

/* Of those that share the name of a slot the one that serves; else the newest. */
static bool is_better(const struct worker *w, const struct worker *than)
{
	bool current = worker_state_is_current(w->state);

	if (!than || current != worker_state_is_current(than->state))
		return !than || current;
	if ((w->state == WORKER_STARTING) != (than->state == WORKER_STARTING))
		return than->state == WORKER_STARTING;
	return w->generation >= than->generation;
}

/* The service that has a slot of that name with no worker in it now, or NULL. */
static const struct service *find_empty_slot(const struct client *c, const char *name,
					     unsigned *ret_slot)
{
	const struct service *s;

	list_for_each (s, &c->master->services, link)
		for (unsigned i = 0; !s->stopping && i < s->want; i++) {
			char slot[PIN_WORKER_SIZE];

			snprintf(slot, sizeof(slot), "%s.%u", service_name(s), i);
			if (!strcmp(slot, name) && status_slot_is_empty(s, i)) {
				*ret_slot = i;
				return s;
			}
		}
	return NULL;
}

static void refuse_empty_slot(struct client *c, const struct service *s, unsigned slot)
{
	STRBUF(why, 512);

	status_explain_slot(s, slot, &why);
	client_error(c, "refused", "%s.%u has no process now: %s%s%s", service_name(s), slot,
		     why.text, s->backoff.failures ? "; a reload starts it at once: reload " : "",
		     s->backoff.failures ? service_name(s) : "");
}

/* @name is that of nobody: what it may have meant. */
static void refuse_worker(struct client *c, const char *name, const char *const *names, size_t n)
{
	const struct service *s;
	STRBUF(near, 128);

	list_for_each (s, &c->master->services, link)
		if (!strcmp(service_name(s), name)) {
			client_error(c, "unknown-worker",
				     "there is no worker %s: that is a service; its workers are "
				     "called %s.0 and so on",
				     name, name);
			return;
		}
	add_nearest(name, names, n, &near);
	client_error(c, "unknown-worker", "there is no worker %s%s", name, near.text);
}

struct worker *client_find_worker(struct client *c, const char *name)
{
	struct worker *w, *best = NULL;
	const struct service *empty;
	struct service *s;
	char wanted[128];
	const char **names;
	unsigned generation, slot;
	size_t n = 0, total = 0;

	snprintf(wanted, sizeof(wanted), "%s", name);
	generation = cut_generation(wanted);
	list_for_each (s, &c->master->services, link)
		list_for_each (w, &s->workers, link) {
			total++;
			if (!strcmp(w->name, wanted) &&
			    (!generation || w->generation == generation) && is_better(w, best))
				best = w;
		}
	if (best)
		return best;
	empty = find_empty_slot(c, name, &slot);
	if (empty) {
		refuse_empty_slot(c, empty, slot);
		return NULL;
	}
	names = calloc(total + 1, sizeof(*names));
	list_for_each (s, &c->master->services, link)
		list_for_each (w, &s->workers, link)
			if (names)
				names[n++] = w->name;
	refuse_worker(c, name, names, n);
	free(names);
	return NULL;
}

/* --- requests ------------------------------------------------------------------------ */

typedef void handler_fn(struct client *c);

static handler_fn *handler_of(enum command_id id)
{
	switch (id) {
	case COMMAND_STATUS:
		return control_status;
	case COMMAND_EVENTS:
		return control_events;
	case COMMAND_CONFIG:
		return control_config;
	case COMMAND_HELP:
		return control_help;
	case COMMAND_JOIN:
		return control_join;
	case COMMAND_SIGNAL:
		return control_signal;
	case COMMAND_RELOAD:
		return control_reload;
	case COMMAND_RELOAD_ABORT:
		return control_reload_abort;
	case COMMAND_ROLLBACK:
		return control_rollback;
	case COMMAND_SCALE:
		return control_scale;
	case COMMAND_RESTART:
		return control_restart;
	case COMMAND_HOLD:
		return control_hold;
	case COMMAND_RELEASE:
		return control_release;
	case COMMAND_DEBUG:
		return control_debug;
	case COMMAND_PIN:
		return control_pin;
	case COMMAND_NEXT:
		return control_next;
	case COMMAND_UNPIN:
		return control_unpin;
	case COMMAND_PINS:
		return control_pins;
	case COMMAND_STOP:
		return control_stop_broker;
	case COMMAND_TOP:
	case COMMAND_DOCTOR:
	case COMMAND_COMPLETION:
		return NULL;
	}
	return NULL;
}

static void note_steering(const struct client *c, const char *line)
{
	log_event(LEVEL_INFO, "control", LOG_INT("uid", c->peer.uid),
		  LOG_INT("client", c->peer.pid), LOG_STR("request", line),
		  LOG_MSG("asked by process %d of user %u: %s", (int)c->peer.pid,
			  (unsigned)c->peer.uid, line));
}

static void answer(struct client *c, const char *line)
{
	STRBUF(error, 1024);
	handler_fn *handler;
	int r = words_split(WORDS_COMMAND, line, strlen(line), &c->words, &error);

	if (r < 0) {
		client_error(c, "bad-request", "%s", r == -ENOMEM ? "out of memory" : error.text);
		return;
	}
	r = command_parse(c->words.word, c->words.n, &c->request, &error);
	if (r) {
		client_error(c, r == COMMAND_UNKNOWN ? "unknown-command" : "bad-request", "%s",
			     error.text);
		return;
	}
	handler = handler_of(c->request.command->id);
	if (!handler) {
		client_error(c, "bad-request", "%s is done by brokerctl, not by the broker",
			     c->request.command->name);
		return;
	}
	if (request_right(&c->request) == RIGHT_STEER) {
		if (!c->may_steer) {
			client_error(c, "not-allowed",
				     "%s takes root or the user of the broker (%u); control_group "
				     "may only look",
				     c->request.command->name, (unsigned)geteuid());
			return;
		}
		note_steering(c, line);
	}
	handler(c);
}

/* Text in UTF-8 without control characters. */
static bool is_text(const char *bytes, size_t n)
{
	const unsigned char *s = (const unsigned char *)bytes;

	for (size_t i = 0; i < n;) {
		size_t len =
			(s[i] >= 0x20 && s[i] < 0x7f) || s[i] == '\t' ? 1 : utf8_len(s + i, n - i);

		if (!len)
			return false;
		i += len;
	}
	return true;
}

/* One request, if a whole one is there. Returns whether there may be more to do. */
static bool next_request(struct client *c)
{
	struct stream *st = &c->stream;
	char line[CONTROL_REQUEST_MAX + 1];
	const char *end;
	size_t n;

	if (c->state != CLIENT_IDLE || st->out.len || !stream_is_open(st) || st->finishing)
		return false;
	end = st->in.len ? memchr(st->in.bytes, '\n', st->in.len) : NULL;
	if (!end) {
		if (st->in.len == st->in.max) {
			st->finishing = true;
			client_error(c, "bad-request", "a request has at most %d bytes",
				     CONTROL_REQUEST_MAX);
		} else if (st->eof) {
			/* Half a request is none: its end may be what matters most. */
			stream_close(st);
		}
		return false;
	}
	n = (size_t)(end - st->in.bytes);
	memcpy(line, st->in.bytes, n);
	buf_consume(&st->in, n + 1);
	if (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	if (is_text(line, n)) {
		answer(c, line);
		return true;
	}
	st->finishing = true;
	client_error(c, "bad-request", "a request is one line of text in UTF-8");
	return false;
}

static void go_on(struct client *c)
{
	if (c->working)
		return;
	c->working = true;
	if (c->state == CLIENT_FOLLOWS && !c->stream.out.len)
		control_events_go_on(c);
	while (next_request(c))
		;
	c->working = false;
}

static void drained(struct stream *st)
{
	go_on(container_of(st, struct client, stream));
}

static void received(struct stream *st)
{
	struct client *c = container_of(st, struct client, stream);

	if (st->eof && c->state == CLIENT_HOLDS)
		stream_close(st);
	else
		go_on(c);
}

/* --- clients ------------------------------------------------------------------------- */

static void client_free(struct client *c)
{
	control_let_go(c);
	control_roll_free(c);
	control_status_free(c);
	list_remove(&c->survey.link);
	list_remove(&c->follower.link);
	list_remove(&c->link);
	c->master->control.n_clients--;
	stream_deinit(&c->stream);
	words_free(&c->words);
	free(c);
}

static void closed(struct stream *st)
{
	client_free(container_of(st, struct client, stream));
}

static bool is_member(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (group == UNIX_LISTENER_NO_GROUP)
		return false;
	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* One that asks nothing now makes room for one that may. */
static bool make_room(struct control *ctl)
{
	struct client *c;

	if (ctl->n_clients < CONTROL_CLIENTS_MAX)
		return true;
	list_for_each (c, &ctl->clients, link)
		if (c->state == CLIENT_IDLE && !c->stream.out.len && stream_is_open(&c->stream)) {
			client_free(c);
			return true;
		}
	return false;
}

static struct client *client_new(struct master *m, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	socklen_t len = sizeof(c->peer);

	if (!c)
		return NULL;
	c->master = m;
	c->stream.received = received;
	c->stream.drained = drained;
	c->stream.closed = closed;
	list_init(&c->survey.link);
	list_init(&c->follower.link);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) < 0 ||
	    stream_open(&c->stream, &m->loop, fd, CONTROL_REQUEST_MAX, CONTROL_ANSWER_MAX) < 0) {
		free(c);
		return NULL;
	}
	list_append(&m->control.clients, &c->link);
	m->control.n_clients++;
	return c;
}

/* Whoever may not ask, or for whom there is no place, is told so. */
static void admit(struct master *m, int fd, bool room)
{
	struct client *c = client_new(m, fd);

	if (!c) {
		(void)close(fd);
		return;
	}
	c->may_steer = c->peer.uid == 0 || c->peer.uid == geteuid();
	if (!c->may_steer && !is_member(fd, &c->peer, m->control.group)) {
		c->stream.finishing = true;
		client_error(c, "not-allowed",
			     "only root, the user of the broker (%u) and members of control_group "
			     "may ask",
			     (unsigned)geteuid());
	} else if (!room) {
		c->stream.finishing = true;
		client_error(c, "busy",
			     "%d clients are connected, and all of them wait for answers",
			     CONTROL_CLIENTS_MAX);
	}
}

static void control_ready(struct loop_source *source, uint32_t events)
{
	struct control *ctl = container_of(source, struct control, source);
	struct master *m = container_of(ctl, struct master, control);

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(m, fd, make_room(ctl));
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			loop_modify(&m->loop, source, 0);
			loop_timer_arm(&m->loop, &ctl->retry, SHORTAGE_MS);
		}
		return;
	}
}

static void retry_expired(struct loop_timer *timer)
{
	struct control *ctl = container_of(timer, struct control, retry);
	struct master *m = container_of(ctl, struct master, control);

	loop_modify(&m->loop, &ctl->source, EPOLLIN);
}

/* --- begin and end ------------------------------------------------------------------- */

int control_open(struct master *m, struct strbuf *error)
{
	const struct broker_conf *bc = &m->conf->broker;
	struct control *ctl = &m->control;
	int r;

	switch (bc->control) {
	case CONTROL_OFF:
		return 0;
	case CONTROL_AUTO:
		if (asprintf(&ctl->path, "%s/" CONTROL_NAME, m->rundir.path) < 0)
			ctl->path = NULL;
		break;
	case CONTROL_PATH:
		ctl->path = strdup(bc->control_path);
		break;
	}
	if (!ctl->path)
		return -ENOMEM;
	if (bc->control_group) {
		r = user_find_group(bc->control_group, &ctl->group, error);
		if (r < 0)
			return r;
		r = rundir_let_group_through(&m->rundir, ctl->group, error);
		if (r < 0)
			return r;
	}
	r = unix_listener_open(ctl->path, ctl->group, &ctl->fd, error);
	if (r < 0)
		strbuf_add(error, "; set control in [broker]");
	return r;
}

int control_chown(struct master *m, uid_t uid)
{
	if (m->control.fd < 0 || lchown(m->control.path, uid, (gid_t)-1) == 0)
		return 0;
	return -errno;
}

void control_init(struct master *m)
{
	m->control = (struct control){
		.fd = -1,
		.group = UNIX_LISTENER_NO_GROUP,
		.source = { .fd = -1, .ready = control_ready },
	};
	list_init(&m->control.clients);
	loop_timer_init(&m->control.retry, retry_expired);
}

int control_start(struct master *m)
{
	struct control *ctl = &m->control;

	return ctl->fd < 0 ? 0 : loop_add(&m->loop, &ctl->source, ctl->fd, EPOLLIN);
}

void control_stop(struct master *m)
{
	struct control *ctl = &m->control;
	struct client *c, *tmp;

	loop_timer_disarm(&ctl->retry);
	loop_remove(&m->loop, &ctl->source);
	list_for_each_safe (c, tmp, &ctl->clients, link)
		client_free(c);
	if (ctl->fd >= 0)
		(void)unlink(ctl->path);
	fd_closep(&ctl->fd);
	free(ctl->path);
	ctl->path = NULL;
}
