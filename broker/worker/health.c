#include "health.h"

#include <stdio.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "sys/log.h"
#include "sys/retire.h"
#include "sys/tcp.h"
#include "worker/clock.h"
#include "worker/command.h"
#include "worker/step.h"

/* Checks follow each other faster where they are to decide something. */
#define DOUBT_MS   500
#define CONFIRM_MS 100 /* the last one has passed */
/* No event says that a connection was taken. */
#define TAKEN_LOOK_MS 10

/* --- begun and ended ------------------------------------------------------------------- */

static bool may_be_checked(struct worker *w)
{
	bool serves =
		w->state == WORKER_READY || (w->state == WORKER_HELD && w->held == HELD_BY_CHECK);

	return (serves || (w->state == WORKER_STARTING && w->check.awaited)) &&
	       !dispatch_leaves(w->terms->dispatch) &&
	       !list_find(struct channel, c, &w->taker.channels, link,
			  channel_is_stopped(c, false)) &&
	       !worker_is_debugged(w);
}

static void drop(struct worker *w)
{
	struct worker_check *k = &w->check;

	loop_remove(worker_loop(w), &k->source);
	retire_fd(&k->listener);
	retire_fd(&k->fd);
	k->channel = 0;
	k->n_answer = 0;
	k->judged = false;
	helper_kill(&k->command);
}

static void end(struct worker *w)
{
	struct worker_check *k = &w->check;
	int64_t now = loop_now(worker_loop(w)),
		at = k->began_ms + w->terms->live->check_interval_ms;
	int64_t soon = now + (k->health.passed ? CONFIRM_MS : DOUBT_MS);

	k->running = false;
	if ((k->awaited || health_is_in_doubt(&k->health)) && at > soon)
		at = soon;
	loop_timer_arm(worker_loop(w), &k->next, at > now ? at - now : 0);
}

/* For want of descriptors, say: that says nothing of the worker. */
static void cannot_check(struct worker *w, const char *why)
{
	snprintf(w->check.why, sizeof(w->check.why), "cannot be checked: %s", why);
	if (!w->check.said_cannot)
		log_event(LEVEL_WARN, "limit", LOG_WORKER(w), LOG_MSG("%s", w->check.why));
	w->check.said_cannot = true;
	drop(w);
	end(w);
}

static void say(const struct worker *w)
{
	const struct worker_check *k = &w->check;

	if (k->health.state == HEALTH_ILL)
		log_event(LEVEL_WARN, "worker-check-failed", LOG_WORKER(w),
			  LOG_INT("failures", k->health.failed), LOG_STR("reason", k->why),
			  LOG_MSG("fails its check, %u time%s in a row: %s", k->health.failed,
				  k->health.failed == 1 ? "" : "s", k->why));
	else
		log_event(k->awaited ? LEVEL_DEBUG : LEVEL_INFO, "worker-check-passed",
			  LOG_WORKER(w), LOG_MSG("passes its check"));
}

static void note_result(struct worker *w, bool passed, const char *why)
{
	const struct service_conf *live = w->terms->live;
	struct worker_check *k = &w->check;
	bool asked_once = !w->conf->check;
	bool changed = health_count(&k->health, passed, asked_once ? 1 : live->check_rise,
				    asked_once ? UINT_MAX : live->check_fall);

	k->said_cannot = false;
	snprintf(k->why, sizeof(k->why), "%s", passed ? "" : why);
	end(w);
	/* The kernel says that it has taken the connection. */
	if (passed && k->probe->kind != HEALTH_COMMAND)
		w->proven = true;
	if (passed && asked_once)
		loop_timer_disarm(&k->next);
	if (!changed)
		return;
	say(w);
	if (k->awaited && k->health.state == HEALTH_WELL) {
		k->awaited = false;
		worker_event(w, EV_LISTEN);
	}
	w->terms->changed(w, w->state);
}

/* No more than a check needs. */
static void keep(struct helper *h, const char *bytes, size_t n)
{
	struct worker_check *k = &h->worker->check;
	size_t room = sizeof(k->answer) - k->n_answer;

	if (n > room)
		n = room;
	memcpy(k->answer + k->n_answer, bytes, n);
	k->n_answer += n;
}

static ssize_t read_some(struct worker *w)
{
	char buf[4096];
	ssize_t n = read(w->check.fd, buf, sizeof(buf));

	if (n > 0)
		keep(&w->check.command, buf, (size_t)n);
	return n;
}

/* --- a connection ---------------------------------------------------------------------- */

static struct channel *find_channel(struct worker *w)
{
	uint32_t app = w->conf->check_port;

	if (!app && w->conf->n_listen)
		app = w->conf->listen[0].app;
	return list_find(struct channel, c, &w->taker.channels, link,
			 channel_is_usable(c) &&
				 (!app || address_app(&c->endpoint->app_addr) == app));
}

/* Whether the worker has left it in its channel. */
static bool is_untaken(struct worker *w)
{
	const struct channel *c = taker_find_channel(&w->taker, w->check.channel);

	return c && channel_check_waits(c, pair_waiting(c->rx));
}

/* With its channel, or as what waited there was given to others. */
static bool was_taken_back(struct worker *w)
{
	const struct channel *c = taker_find_channel(&w->taker, w->check.channel);

	return !c || !c->check_at;
}

/* A server of HTTP has said what we need, and closes when it has said the rest. */
static void goes_on(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, check.source);
	ssize_t n = read_some(w);

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN))
		drop(w);
}

/* Also between two checks: it was taken late. */
static void answered(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, check.source);
	struct worker_check *k = &w->check;
	ssize_t n = read_some(w);
	enum health_verdict verdict;
	STRBUF(why, sizeof(k->why));

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	verdict = health_judge(k->probe, w->conf->check_expect, w->conf->n_check_expect, k->answer,
			       k->n_answer, n <= 0, &why);
	if (verdict == HEALTH_MORE)
		return;
	if (n <= 0 && was_taken_back(w)) {
		drop(w);
		end(w);
		return;
	}
	k->judged = n > 0 && k->probe->kind == HEALTH_HTTP;
	if (k->judged)
		k->source.ready = goes_on;
	else
		drop(w);
	note_result(w, verdict == HEALTH_PASSED, why.text);
}

/* The worker gets a copy of the other end. */
static void connected(struct loop_source *source, uint32_t events)
{
	struct worker *w = container_of(source, struct worker, check.source);
	struct channel *c = find_channel(w);
	struct worker_check *k = &w->check;
	struct handoff_conn conn = { .accept_ns = loop_clock_ns() };
	_cleanup_fd_ int fd = -1;
	int error;

	(void)events;
	/* For want of descriptors, until check_timeout; or it is a stranger. */
	if (tcp_accept(k->listener, 0, &fd, &conn.peer, &error) != ACCEPT_DONE ||
	    !address_equal(&conn.peer, &k->addr))
		return;
	loop_remove(worker_loop(w), source);
	retire_fd(&k->listener);
	handoff_header_init(&conn.h, HANDOFF_CONN);
	conn.id = ++w->terms->broker->given.conn;
	if (k->probe->n_send)
		(void)send(k->fd, k->probe->send, k->probe->n_send, MSG_NOSIGNAL);
	if (!c || channel_give_check(c, &conn, fd) != PAIR_SENT) {
		cannot_check(w, "its channel takes no more messages");
		return;
	}
	k->channel = c->id;
	source->ready = answered;
	if (loop_add(worker_loop(w), source, k->fd, EPOLLIN) < 0)
		cannot_check(w, "out of memory");
}

/* --- a command ------------------------------------------------------------------------- */

static void fail_by_time(struct worker *w, const char *what)
{
	STRBUF(why, sizeof(w->check.why));

	if (!may_be_checked(w)) {
		end(w);
		return;
	}
	strbuf_addf(&why, "it %s within check_timeout (%lld ms)", what,
		    (long long)w->terms->live->check_timeout_ms);
	note_result(w, false, why.text);
}

static void command_ended(struct helper *h, int status)
{
	struct worker *w = h->worker;
	struct worker_check *k = &w->check;
	const char *line_end = memchr(k->answer, '\n', k->n_answer);
	STRBUF(why, sizeof(k->why));

	if (status == HELPER_KILLED) {
		fail_by_time(w, "did not end");
		return;
	}
	worker_end_add_status(status, &why);
	strbuf_add(&why, k->n_answer ? ": " : "");
	strbuf_add_escaped(&why, k->answer,
			   line_end ? (size_t)(line_end - k->answer) : k->n_answer);
	note_result(w, status == 0, why.text);
}

/* --- the timer ------------------------------------------------------------------------- */

static void begin(struct worker *w)
{
	int64_t timeout = w->terms->live->check_timeout_ms;
	struct worker_check *k = &w->check;
	STRBUF(error, 256);
	struct channel *c;
	int r;

	k->began_ms = loop_now(worker_loop(w));
	if (!may_be_checked(w)) {
		drop(w);
		end(w);
		return;
	}
	k->running = true;
	loop_timer_arm(worker_loop(w), &k->next,
		       k->probe->kind == HEALTH_CONNECT ? TAKEN_LOOK_MS : timeout);
	if (is_untaken(w))
		return;
	drop(w);
	c = find_channel(w);
	if (k->probe->kind == HEALTH_COMMAND) {
		loop_timer_disarm(&k->next); /* it has a limit of its own */
		r = helper_start(&k->command, k->probe->command, timeout, &error);
	} else if (c) {
		r = tcp_connect_to_self(c->endpoint->app_addr.family, &k->listener, &k->fd,
					&k->addr);
		k->source.ready = connected;
		if (r == 0)
			r = loop_add(worker_loop(w), &k->source, k->listener, EPOLLIN);
	} else {
		r = strbuf_fail(&error, -ENOENT, "it does not listen on the port of its check");
	}
	if (r < 0)
		cannot_check(w, error.len ? error.text : strerror(-r));
}

/* The connection has no result yet. */
static void look(struct worker *w)
{
	int64_t timeout = w->terms->live->check_timeout_ms, now = loop_now(worker_loop(w));
	struct worker_check *k = &w->check;
	bool untaken = is_untaken(w);

	if (k->probe->kind == HEALTH_CONNECT && k->channel && !untaken && !was_taken_back(w)) {
		drop(w);
		note_result(w, true, "");
	} else if (now < k->began_ms + timeout) {
		loop_timer_arm(worker_loop(w), &k->next, TAKEN_LOOK_MS);
	} else if (!k->channel) {
		cannot_check(w, "no connection over loopback");
	} else if (untaken) {
		fail_by_time(w, "did not take the connection");
	} else {
		drop(w);
		fail_by_time(w, "took the connection, and did not answer");
	}
}

static void expired(struct loop_timer *timer)
{
	struct worker *w = container_of(timer, struct worker, check.next);

	if (w->state == WORKER_STOPPING || w->state == WORKER_DEAD)
		drop(w);
	else if (w->check.running)
		look(w);
	else
		begin(w);
}

bool worker_check_init(struct worker *w)
{
	struct worker_check *k = &w->check;
	STRBUF(unused, 64);

	k->source.fd = k->listener = k->fd = -1;
	loop_timer_init(&k->next, expired);
	helper_init(&k->command, w->terms->broker, w);
	k->command.wrote = keep;
	k->command.ended = command_ended;
	if (!w->conf->check && !w->conf->activation)
		return true;
	k->probe = calloc(1, sizeof(*k->probe));
	if (k->probe && !w->conf->check) {
		k->probe->kind = HEALTH_CONNECT;
		return true;
	}
	/* It was read before. */
	return k->probe && health_parse(w->conf->check, k->probe, &unused) == 0;
}

int worker_check_adopt(struct worker *w, const struct kept_check *k, int64_t next_at_ms)
{
	struct worker_check *c = &w->check;

	c->kept = *k;
	c->source.ready = k->listener >= 0 ? connected : k->judged ? goes_on : answered;
	loop_timer_resume(worker_loop(w), &c->next, next_at_ms);
	return k->listener < 0 && k->fd < 0
		       ? 0
		       : loop_add(worker_loop(w), &c->source,
				  k->listener >= 0 ? k->listener : k->fd, EPOLLIN);
}

void worker_check_deinit(struct worker *w)
{
	loop_timer_disarm(&w->check.next);
	drop(w);
	free(w->check.probe);
}
