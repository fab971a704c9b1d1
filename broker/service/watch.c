#include "watch.h"

#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/listener.h"
#include "dispatch/flow.h"
#include "service/survey.h"
#include "service/idle_end.h"
#include "service/move.h"
#include "service/roll.h"
#include "service/recycle.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/ends.h"
#include "worker/explain.h"
#include "worker/step.h"
#include "worker/processes.h"

/* What waits for so long at a worker that drains or is held is given to others. */
#define STUCK_MS 100
/* Nobody had room for so long: worth a line in the log, once in a while. */
#define FULL_MS 2000
/* A client of UDP asks again after a second, mostly. */
#define UDP_QUIET_MS 2000
#define UDP_LOOK_MS  200
/* To look into all processes of a worker takes time. */
#define LOST_EACH_MS 1000

/* --- channels that do not move ------------------------------------------------------- */

/* Full or not: what waits in the broker itself is the first that it gets. */
static bool another_serves(const struct channel *c)
{
	return list_find(struct channel, o, &c->endpoint->round.ring, member.link,
			 o != c && o->member.limit > 0);
}

static bool has_room(struct channel *c)
{
	if (c->member.limit && c->member.waiting >= c->member.limit)
		c->member.waiting = channel_waiting(c);
	return c->member.waiting < c->member.limit;
}

static bool another_has_room(const struct channel *c, bool proven)
{
	return list_find(struct channel, o, &c->endpoint->round.ring, member.link,
			 o != c && (!proven || worker_of(o)->proven) && has_room(o));
}

static int64_t stood_since(const struct channel *c)
{
	return c->stalled_since_ms ? c->stalled_since_ms : c->moved_ms;
}

/*
 * A worker that has never taken a connection and has an io_uring accepts through that, which the
 * shim cannot translate: the kernel refuses it on what stands in for the listening socket. No
 * time mends that, so it is a failed start, said in words. True if @w was told to end.
 */
static bool refuse_io_uring(struct worker *w)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	pid_t user = 0;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n && !user; i++)
		if (proc_has_io_uring(all.pids[i]))
			user = all.pids[i];
	if (!user)
		return false;
	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, user),
		  LOG_MSG("it takes no connection, and uses io_uring: accepting through io_uring "
			  "cannot "
			  "be brokered; switch it off in the app (libuv: UV_USE_IO_URING=0)"));
	worker_event(w, EV_STOP);
	return true;
}

/*
 * The same for one whose listening socket is with a process without the library. If others have the
 * library, they may just be loading: then it is as late as a failed start.
 */
static bool refuse_lost(struct channel *c, int64_t now)
{
	struct worker *w = worker_of(c);
	STRBUF(why, 512);
	enum worker_lost lost;

	if (now < w->lost_look_ms)
		return false;
	w->lost_look_ms = now + LOST_EACH_MS;
	lost = worker_lost_library(w, c, &why);
	if (lost == LOST_NONE ||
	    (lost == LOST_SOME && now - stood_since(c) < w->conf->start_timeout_ms))
		return false;
	worker_refuse(w, &why);
	return true;
}

/*
 * A thousand busy workers would be a thousand files of /proc at each look. After a look that saw it
 * running every other one will do, and the time that is promised is still kept.
 */
static bool looks_stopped(struct channel *c)
{
	c->state_read = !c->state_read || c->look.pid;
	return c->state_read && channel_is_stopped(c, false);
}

/* Whether something was taken out of @c, in which @waiting are left, since the last look. */
static bool has_moved(struct channel *c, unsigned waiting, int64_t now)
{
	uint64_t taken = channel_taken(c, waiting);

	if (taken == c->taken_seen)
		return false;
	c->taken_seen = taken;
	c->moved_ms = now;
	return true;
}

/*
 * For how long a connection may wait at @c. At a worker that has taken none yet, while others have:
 * not long. The same for what is given to a stalled one to see whether it takes it.
 */
static int64_t patience(const struct channel *c)
{
	const struct worker *w = worker_of(c);
	bool short_one = c->shunned || (!w->proven && another_has_room(c, true));

	return short_one && w->conf->proof_wait_ms < w->conf->stall_timeout_ms
		       ? w->conf->proof_wait_ms
		       : w->conf->stall_timeout_ms;
}

/* Returns whether @c needs to be looked at again. May step the worker's state, not free it. */
static bool watch_channel(struct channel *c, int64_t now)
{
	unsigned waiting = channel_backlog(c);
	struct worker *w = worker_of(c);
	bool others;

	if (c->member.waiting > waiting)
		c->member.waiting = waiting;
	if (has_moved(c, waiting, now)) {
		c->state_read = false;
		if (c->stalled_since_ms)
			stall_over(c);
	}
	if (waiting == 0) {
		if (!c->shunned) {
			c->moved_ms = now;
			c->stalled_since_ms = 0;
		} else if (c->member.limit == 0 && (now >= c->probe_ms || !another_serves(c))) {
			c->member.limit = 1;
			endpoint_wake(c->endpoint);
		}
		return c->shunned;
	}
	if (c->moved_ms != now && w->state == WORKER_READY && !w->aside.pid && looks_stopped(c)) {
		worker_hold(w, HELD_BY_STOP);
		return true;
	}
	if (now - c->moved_ms < patience(c) || !channel_is_in_round(c))
		return true;
	/* A guest is not ours to end. It may use an io_uring for files, and still be loading. */
	if (w->state == WORKER_READY && now - stood_since(c) >= w->conf->stall_timeout_ms &&
	    !w->guest && !c->native && !w->proven && taker_taken(&w->taker) == 0 &&
	    !worker_is_debugged(w) &&
	    (refuse_lost(c, now) || (!proof_is_awaited(w) && refuse_io_uring(w))))
		return true;
	/* What is pinned to it would only come back. */
	others = another_has_room(c, false) &&
		 !(c->shunned && c->member.limit == 0 && !channel_has_unpinned(c));
	stall_seen(c, others, now);
	return true;
}

/*
 * A worker that drains, or is held while it runs, empties its channels by itself, in order. Only
 * when it does not, for a tenth of a second, or is stopped, are its connections given to others.
 * Taking back at once would be no faster, and an app that polls and then accepts in blocking mode
 * would be caught between the two: see struct handoff_nudge.
 */
static void watch_leaving_channel(struct channel *c, int64_t now)
{
	struct worker *w = worker_of(c);
	unsigned waiting = channel_waiting(c);

	if (has_moved(c, waiting, now))
		return;
	if (waiting == 0) {
		c->moved_ms = now;
		return;
	}
	if ((now - c->moved_ms < STUCK_MS && !channel_is_stopped(c, false)) || !another_serves(c))
		return;
	/* What is pinned to it would only come back. */
	if (w->state == WORKER_HELD && !channel_has_unpinned(c))
		return;
	if (endpoint_take_back(c, w->state == WORKER_HELD ? "the worker is held"
							  : "the worker drains")) {
		/* A held worker is nudged when it drains, if it was given nothing until then. */
		if (w->state == WORKER_DRAINING)
			pair_nudge(c->tx);
		endpoint_wake(c->endpoint);
	}
}

/* --- workers ------------------------------------------------------------------------- */

/* A person stepping through it lets it run for an instant now and then: twice is running. */
static bool watch_held(struct worker *w)
{
	bool ran = w->seen_running;

	if (!(w->held & HELD_BY_STOP))
		return false;
	w->seen_running = !proc_is_stopped(w->pid, &w->main_look, true);
	list_for_each (struct channel, c, &w->taker.channels, link)
		w->seen_running &= !channel_is_stopped(c, true);
	if (!ran || !w->seen_running)
		return true;
	w->seen_running = false;
	worker_unhold(w, HELD_BY_STOP);
	return false;
}

/*
 * @w has a socket for datagrams, and drains. The kernel does not say whom it serves; but while it
 * does, it runs now and then. When it has not for a while, it has drained.
 */
static void watch_udp(struct worker *w, int64_t now)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	uint64_t ran_ns = 0;

	if (now - w->counted_ms < UDP_LOOK_MS)
		return;
	w->counted_ms = now;
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		ran_ns += proc_run_ns(all.pids[i]);
	if (ran_ns != w->ran_ns || !ran_ns) {
		w->ran_ns = ran_ns;
		w->ran_ms = now;
	} else if (now - w->ran_ms >= UDP_QUIET_MS) {
		worker_event(w, EV_DRAINED);
	}
}

static void watch_full(struct endpoint *e, int64_t now)
{
	if (!e->paused || dispatch_is_full(e->dispatch) || list_empty(&e->round.ring) ||
	    now - e->paused_ms < FULL_MS ||
	    (e->full_said_ms && now - e->full_said_ms < FULL_EACH_MS))
		return;
	e->full_said_ms = now;
	log_event(LEVEL_WARN, "limit", LOG_STR("service", e->dispatch->service),
		  LOG_INT("port", e->app_addr.port),
		  LOG_MSG("all workers have been full for %lld s (queue = %u): clients wait in the "
			  "backlog; more workers, or a longer queue, may help",
			  (long long)(now - e->paused_ms) / MSEC_PER_SEC,
			  service_of_dispatch(e->dispatch)->conf->queue));
}

/* As long as an app may take to listen again, perhaps in its children: its clients wait. */
#define LEFT_MS 1000

/* Whether @e has been left and may still be listened on again. */
static bool watch_left(struct endpoint *e, int64_t now)
{
	if (!e->left_ms || e->n_channels > 0)
		e->left_ms = 0;
	else if (now - e->left_ms >= LEFT_MS) {
		e->left_ms = 0;
		endpoint_unlisten(e);
	}
	return e->left_ms;
}

/* Returns whether @s needs to be looked at again. */
static bool watch_service(struct service *s, int64_t now)
{
	bool again = false;

	list_for_each_safe (struct worker, w, tmp, &s->workers, link) {
		bool leaves = false;

		/* What a native worker says of itself. All its addresses leave together. */
		list_for_each (struct channel, c, &w->taker.channels, link)
			leaves |= channel_hear(c);
		if (leaves)
			worker_leave(w);
		list_for_each_safe (struct channel, c, c_tmp, &w->taker.channels, link) {
			if ((w->state == WORKER_DRAINING || w->state == WORKER_HELD) &&
			    !channel_is_in_round(c))
				watch_leaving_channel(c, now);
			else if (w->state == WORKER_READY || w->state == WORKER_DRAINING)
				again |= watch_channel(c, now);
		}
		if (w->state == WORKER_READY || w->state == WORKER_HELD)
			again |= proof_look(w, now);
		if (w->state == WORKER_HELD)
			again |= watch_held(w) || taker_waiting(&w->taker) > 0;
		if (w->state == WORKER_DRAINING && !worker_finishes_alone(w)) {
			again = true;
			if (conf_is_udp(w->conf))
				watch_udp(w, now);
		}
	}
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link) {
		watch_full(e, now);
		again |= watch_left(e, now);
	}
	service_end_idle(s);
	return again;
}

void watch_expired(struct loop_timer *timer)
{
	struct broker *b = container_of(timer, struct broker, watch);
	int64_t now = loop_now(&b->loop);
	bool again = broker_schedule(b), moves = false;

	loop_note(&b->loop, "watch");
	list_for_each (struct service, s, &b->services, link) {
		again |= watch_service(s, now);
		moves |= service_move(s);
	}
	moves |= mover_watch(b->mover);
	again |= evidence_want(b) || moves;
	if (again)
		broker_watch(b);
}
