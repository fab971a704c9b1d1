/*
 * One who is connected to the control socket: one request after another, and the last line of
 * each answer.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/json.h"
#include "base/utf8.h"
#include "sys/log.h"

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
	case COMMAND_COMPLETE:
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

/* --- begin and end ------------------------------------------------------------------- */

void client_free(struct client *c)
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

struct client *client_new(struct master *m, int fd)
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
