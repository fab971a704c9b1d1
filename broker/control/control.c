#include "control.h"

#include <stdio.h>
#include "base/fd.h"
#include "sys/retire.h"
#include "sys/unix_socket.h"

#define CONTROL_NAME "control"
#define GROUPS_MAX   256
#define ACCEPT_BATCH 16

bool client_may_steer(const struct client *c)
{
	return c->peer.uid == 0 || c->peer.uid == geteuid();
}

/* --- answers ------------------------------------------------------------------------- */

struct strbuf *client_line(struct client *c, const char *type)
{
	json_begin(&c->stream.out, type);
	return &c->stream.out;
}

bool client_flush(struct client *c)
{
	stream_flush(&c->stream);
	return stream_is_open(&c->stream) && !c->stream.out.len;
}

static void drop_task(struct client *c)
{
	struct task *t = c->task;

	c->task = NULL;
	if (!t)
		return;
	list_remove(&t->survey.link);
	list_remove(&t->names.link);
	list_remove(&t->follower.link);
	list_remove(&t->observer.link);
	loop_timer_disarm(&t->tick);
	if (t->ops->drop)
		t->ops->drop(t);
	free(t);
}

void client_answered(struct client *c)
{
	if (c->task && !c->task->ops->lasts)
		drop_task(c);
	free(c->words);
	c->words = NULL;
	if (c->wire || (c->request.command && request_right(&c->request) == RIGHT_STEER))
		loop_settle(&client_broker(c)->loop);
	client_broker(c)->hand->asked = true;
	stream_flush(&c->stream);
	/* Requests that came meanwhile have been read already. */
	client_go_on(c);
}

void client_end_saying(struct client *c, const char *fmt, ...)
{
	struct strbuf *out = client_line(c, "end");
	STRBUF(text, 512);

	strbuf_add_arguments(&text, fmt);
	json_bool(out, "ok", true);
	if (text.len)
		json_str(out, "message", text.text);
	json_end(out);
	client_answered(c);
}

void client_error(struct client *c, const char *code, const char *fmt, ...)
{
	struct handoff_refused msg = { .error = EPERM };
	STRBUF(text, CONF_ERROR_BYTES);

	strbuf_add_arguments(&text, fmt);
	if (c->wire) {
		handoff_header_init(&msg.h, HANDOFF_REFUSED);
		strncpy(msg.reason, text.text, sizeof(msg.reason) - 1);
		strbuf_add_bytes(&c->stream.out, &msg, sizeof(msg));
	} else {
		struct strbuf *out = client_line(c, "error");

		json_str(out, "code", code);
		json_str(out, "message", text.text);
		json_end(out);
	}
	client_answered(c);
}

void *client_begin(struct client *c, size_t size, const struct task_ops *ops)
{
	struct task *t = calloc(1, size);

	if (!t) {
		client_error(c, "failed", "out of memory");
		return NULL;
	}
	drop_task(c);
	c->task = t;
	t->ops = ops;
	t->client = c;
	t->survey.done = ops->surveyed;
	t->names.done = ops->named;
	t->follower.added = ops->events_added;
	t->observer.worker = ops->worker;
	t->observer.rollout = ops->rollout;
	list_init(&t->survey.link);
	list_init(&t->names.link);
	list_init(&t->follower.link);
	loop_timer_init(&t->tick, ops->ticked);
	list_append(&client_broker(c)->observers, &t->observer.link);
	if (ops->events_added)
		list_append(&c->control->events->followers, &t->follower.link);
	if (ops->surveyed)
		survey_want(c->control->survey, &t->survey);
	if (ops->named)
		names_want(&c->control->master->names, &t->names);
	return t;
}

/* --- requests ------------------------------------------------------------------------ */

/* Text in UTF-8 without control characters. */
static bool is_text(const char *bytes, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = bytes[i] == '\t' ? 1 : utf8_len(bytes + i, n - i);
		if (!len)
			return false;
	}
	return true;
}

/* Of whatever version. A line of text does not begin so. */
static bool speaks_wire(const struct stream *st)
{
	struct handoff_header h = { 0 };

	if (st->in.len >= sizeof(h))
		memcpy(&h, st->in.text, sizeof(h));
	return h.type == HANDOFF_JOIN;
}

/* One message, and the last: it becomes a line of the table, which has its right and is logged. */
static void next_message(struct client *c)
{
	struct stream *st = &c->stream;
	char line[HANDOFF_SERVICE_SIZE + 32];
	struct handoff_join msg;

	if (st->in.len < sizeof(msg) && !st->eof)
		return;
	c->wire = true;
	st->finishing = true;
	if (st->in.len != sizeof(msg) ||
	    !handoff_check(memcpy(&msg, st->in.text, sizeof(msg)), sizeof(msg), HANDOFF_JOIN)) {
		client_error(c, "bad-request",
			     "the version of worker-shim differs from that of the broker");
		return;
	}
	strbuf_consume(&st->in, sizeof(msg));
	snprintf(line, sizeof(line), "join %s%s", msg.service,
		 msg.flags & HANDOFF_JOIN_PINNED_ONLY ? " --pinned-only" : "");
	c->control->answer(c, line);
}

/* Answers one request, if a whole one is there. Returns whether there may be more to do. */
static bool next_request(struct client *c)
{
	struct stream *st = &c->stream;
	char line[CONTROL_REQUEST_MAX + 1];
	const char *end;
	size_t n;

	if (c->task || st->out.len || !stream_is_open(st) || st->finishing)
		return false;
	if (speaks_wire(st)) {
		next_message(c);
		return false;
	}
	end = st->in.len ? memchr(st->in.text, '\n', st->in.len) : NULL;
	if (!end) {
		if (st->in.len == st->in.max) {
			st->finishing = true;
			client_error(c, "bad-request", "a request may have at most %d bytes",
				     CONTROL_REQUEST_MAX);
		} else if (st->eof) {
			/* Half a request is not answered: its end may be what matters most. */
			stream_close(st);
		}
		return false;
	}
	n = (size_t)(end - st->in.text);
	memcpy(line, st->in.text, n);
	strbuf_consume(&st->in, n + 1);
	if (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	if (is_text(line, n)) {
		c->control->answer(c, line);
		return true;
	}
	st->finishing = true;
	client_error(c, "bad-request", "a request must be one line of UTF-8 text");
	return false;
}

void client_go_on(struct client *c)
{
	if (c->working)
		return;
	c->working = true;
	while (next_request(c))
		;
	c->working = false;
}

static void drained(struct stream *st)
{
	struct client *c = container_of(st, struct client, stream);

	if (c->task && c->task->ops->drained)
		c->task->ops->drained(c->task);
	client_go_on(c);
}

static void received(struct stream *st)
{
	struct client *c = container_of(st, struct client, stream);

	client_broker(c)->hand->asked = true;
	if (st->eof && c->task && c->task->ops->lasts)
		stream_close(st);
	else
		client_go_on(c);
}

/* --- clients come and go --------------------------------------------------------------- */

static void client_free(struct client *c)
{
	drop_task(c);
	list_remove(&c->link);
	stream_deinit(&c->stream);
	free(c->words);
	free(c);
}

/*
 * Frees the oldest client that waits for no answer, for one that may steer or not: such a one makes
 * no room for one that may not. False: there is none.
 */
static bool free_idle(struct control *ctl, bool may_steer)
{
	list_for_each (struct client, c, &ctl->clients, link)
		if (!c->task && !c->stream.out.len && stream_is_open(&c->stream) &&
		    client_may_steer(c) <= may_steer) {
			client_free(c);
			return true;
		}
	return false;
}

static bool is_member(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (group == UNIX_NO_GROUP)
		return false;
	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	len /= sizeof(gid_t);
	while (len > 0 && groups[len - 1] != group)
		len--;
	return len > 0;
}

static void closed(struct stream *st)
{
	client_free(container_of(st, struct client, stream));
}

struct client *client_new(struct control *ctl, int fd, const struct ucred *peer)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct client){ .control = ctl, .peer = *peer };
	c->stream = (struct stream){ .received = received, .drained = drained, .closed = closed };
	if (stream_open(&c->stream, &ctl->master->broker.loop, fd, CONTROL_REQUEST_MAX,
			CONTROL_ANSWER_MAX) < 0) {
		free(c);
		return NULL;
	}
	list_append(&ctl->clients, &c->link);
	return c;
}

/* A client that may not ask, or for which there is no room, is told so. */
static void control_accepted(struct acceptor *a, int fd)
{
	struct control *ctl = container_of(a, struct control, acceptor);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	bool may_steer, room;
	struct client *c = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0
				   ? NULL
				   : client_new(ctl, fd, &peer);

	if (!c) {
		(void)close(fd);
		return;
	}
	list_remove(&c->link);
	may_steer = client_may_steer(c);
	room = list_count(&ctl->clients) <
		       (may_steer ? CONTROL_CLIENTS_MAX : CONTROL_READERS_MAX) ||
	       free_idle(ctl, may_steer);
	list_append(&ctl->clients, &c->link);
	if (!may_steer && !is_member(fd, &c->peer, ctl->group)) {
		c->stream.finishing = true;
		client_error(c, "not-allowed",
			     "only root, the user of the broker (%u) and members of control_group "
			     "may ask",
			     (unsigned)geteuid());
	} else if (!room) {
		c->stream.finishing = true;
		client_error(c, "busy",
			     "%d clients are connected, and all of them wait for answers",
			     may_steer ? CONTROL_CLIENTS_MAX : CONTROL_READERS_MAX);
	}
}

/* --- begin and end ------------------------------------------------------------------- */

static int open_socket(struct control *ctl, struct strbuf *error)
{
	struct rundir *rd = &ctl->master->rundir;
	int r = 0;

	if (ctl->group != UNIX_NO_GROUP)
		r = rundir_let_group_through(rd, ctl->group, error);
	if (r == 0)
		r = unix_listen(ctl->path, rd->heir, ctl->group, &ctl->fd, error);
	return r;
}

static int set_path(struct control *ctl, const struct broker_conf *bc)
{
	if (bc->control == CONTROL_PATH)
		ctl->path = strdup(bc->control_path);
	else if (asprintf(&ctl->path, "%s/" CONTROL_NAME, ctl->master->rundir.path) < 0)
		ctl->path = NULL;
	return ctl->path ? 0 : -ENOMEM;
}

int control_adopt_socket(struct control *ctl, int fd, gid_t group)
{
	ctl->fd = fd;
	ctl->group = group;
	return fd < 0 ? 0 : set_path(ctl, &ctl->master->conf_start->broker);
}

int control_open(struct control *ctl, struct strbuf *error)
{
	struct master *m = ctl->master;
	const struct broker_conf *bc = &m->conf->broker;
	int r;

	if (bc->control == CONTROL_OFF)
		return 0;
	r = set_path(ctl, bc);
	if (r == 0 && bc->control_group)
		r = user_find_group(bc->names, bc->control_group, &ctl->group, error);
	if (r < 0)
		return r;
	r = open_socket(ctl, error);
	if (r < 0)
		strbuf_add(error, "; set control in [broker]");
	return r;
}

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey, client_answer_fn *answer)
{
	*ctl = (struct control){
		.master = m,
		.events = events,
		.survey = survey,
		.answer = answer,
		.fd = -1,
		.group = UNIX_NO_GROUP,
	};
	list_init(&ctl->clients);
}

int control_start(struct control *ctl)
{
	return ctl->fd < 0 ? 0
			   : acceptor_start(&ctl->acceptor, &ctl->master->broker.loop, ctl->fd,
					    ACCEPT_BATCH, control_accepted);
}

int control_restore(struct control *ctl, bool anew, struct strbuf *made, struct strbuf *error)
{
	bool outside = ctl->master->conf_start->broker.control == CONTROL_PATH;
	int was = ctl->fd, r;

	/* Who made what is there may have been killed since. */
	if (was >= 0 && anew && !outside)
		(void)unlink(ctl->path);
	if (was < 0 || !unix_is_lost(ctl->path, was))
		return 0;
	strbuf_addf(made, "%s%s", made->len ? ", " : "", ctl->path);
	r = open_socket(ctl, error);
	if (ctl->fd == was)
		return r;
	if (r == 0)
		r = acceptor_move(&ctl->acceptor, ctl->fd);
	retire_fd(&was);
	return r;
}

void control_stop(struct control *ctl)
{
	struct client *c;

	acceptor_stop(&ctl->acceptor);
	while ((c = list_first(&ctl->clients, struct client, link))) {
		c->stream.finishing = true; /* no request follows */
		if (c->task && c->task->ops->broker_ends)
			c->task->ops->broker_ends(c->task);
		client_free(c);
	}
	/* If the directory vanished, another broker may have one of that name. */
	if (ctl->fd >= 0 && rundir_is_ours(&ctl->master->rundir))
		(void)unlink(ctl->path);
	retire_fd(&ctl->fd);
	free(ctl->path);
	ctl->path = NULL;
}
