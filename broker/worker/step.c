#include "step.h"

#include <stdio.h>
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "sys/log.h"
#include "sys/retire.h"
#include "worker/clock.h"
#include "worker/processes.h"
#include "worker/explain.h"
#include "worker/words.h"

/* Translates an event that would end a worker of our own into one that fits a guest. */
static enum worker_event guest_event(enum worker_event ev)
{
	if (ev == EV_RETIRE || ev == EV_STOP || ev == EV_KILL || ev == EV_TIMEOUT)
		return EV_EXIT;
	/* While its process lives the app may listen again: `run`, once more. */
	return ev == EV_CLOSED ? EV_UNLISTEN : ev;
}

/* What waits at a guest stays there if no other worker could take it. */
static void take_back_all(struct worker *w, const char *reason)
{
	list_for_each (struct channel, c, &w->taker.channels, link) {
		c->moved_ms = loop_now(worker_loop(w));
		if ((worker_leaves_round(w) && !worker_finishes_alone(w)) ||
		    (w->guest && w->retired_by_us && list_empty(&c->endpoint->round.ring)))
			continue;
		if (endpoint_take_back(c, reason))
			endpoint_wake(c->endpoint);
	}
}

enum taker_gate worker_gate(const struct worker *w)
{
	if (w->state == WORKER_READY && !w->held && !w->pinned_only)
		return TAKER_OPEN;
	return w->state == WORKER_READY || w->state == WORKER_HELD ? TAKER_PINNED : TAKER_SHUT;
}

static void become_ready(struct worker *w)
{
	if (w->ready_ms)
		return;
	w->ready_ms = loop_now(worker_loop(w));
	if (!conf_is_udp(w->conf))	  /* where nothing else tells whether it was executed */
		retire_fd(&w->status_fd); /* its launcher has become the app */
	histogram_add(&w->terms->started, (uint64_t)(w->ready_ms - w->started_ms) * NSEC_PER_MSEC);
}

/* Into the round or out of it, and what waits at the worker to others. */
static void move_connections(struct worker *w, enum worker_event ev, unsigned actions)
{
	/* While a whole service leaves, what was accepted has nobody else to go to. */
	bool stays = w->state == WORKER_DRAINING && dispatch_leaves(w->terms->dispatch);

	taker_set_gate(&w->taker, worker_gate(w));
	if ((actions & ACT_WITHDRAW) && !stays)
		taker_withdraw(&w->taker);
	if ((actions & ACT_PUBLISH) && !w->held)
		taker_publish(&w->taker);
	if (w->state == WORKER_STOPPING || w->state == WORKER_DEAD)
		taker_withdraw(&w->taker);
	if (actions & ACT_TAKE_BACK)
		take_back_all(w, worker_reason(w, ev));
}

/* It listens. If it has a check, that has to say whether it serves. */
static bool waits_for_check(struct worker *w)
{
	struct worker_check *k = &w->check;

	if (w->guest || !k->probe || k->health.state == HEALTH_WELL)
		return false;
	/* In a debugger it is not asked, and not kept from its clients. */
	if (!w->conf->check && worker_is_debugged(w))
		return false;
	if (!k->awaited && !k->running)
		loop_timer_arm(worker_loop(w), &k->next, 0);
	if (!w->conf->check && !k->awaited)
		snprintf(k->why, sizeof(k->why), "the program has taken no connection yet");
	k->awaited = true;
	return true;
}

void worker_event(struct worker *w, enum worker_event ev)
{
	enum worker_state from = w->state;
	unsigned actions;

	if (w->guest)
		ev = guest_event(ev);
	if (ev == EV_LISTEN && from == WORKER_STARTING && waits_for_check(w))
		return;
	if (!worker_fsm_step(&w->state, ev, &actions))
		return;
	worker_log_change(w, from, ev);
	notice(w->terms->broker, worker, w, from, ev);
	if (w->state != from)
		w->state_since_ms = loop_now(worker_loop(w));
	if (actions & ACT_DISARM)
		loop_timer_disarm(&w->deadline);
	if (actions & ACT_ARM)
		worker_arm(w);
	if (w->state == WORKER_READY)
		become_ready(w);
	move_connections(w, ev, actions);
	list_for_each (struct channel, c, &w->taker.channels, link)
		channel_tell_draining(c, !worker_state_is_current(w->state));
	if (w->state == WORKER_DRAINING && from != WORKER_DRAINING)
		taker_nudge(&w->taker);
	if (actions & ACT_TELL_DRAIN)
		worker_tell_drain(w);
	if (actions & ACT_SIGNAL)
		worker_signal_unless_debugged(w);
	if (actions & ACT_KILL)
		worker_kill(w);
	/* The books of the channels must be closed before the service looks at them. */
	if (actions & ACT_RELEASE)
		list_for_each_safe (struct channel, c, tmp, &w->taker.channels, link)
			channel_close(c);
	w->terms->changed(w, from);
	broker_watch(w->terms->broker);
	if (w->state == WORKER_READY && w->held)
		worker_event(w, EV_HOLD); /* it was held before it listened */
}

void worker_leave(struct worker *w)
{
	if (w->state != WORKER_READY && w->state != WORKER_HELD)
		return;
	w->leaves = true;
	/* As if it had closed its listening socket, and would not open it again. */
	worker_event(w, w->guest ? EV_EXIT : EV_CLOSED);
	if (w->state == WORKER_CLOSED)
		worker_event(w, EV_TIMEOUT);
}

void worker_leave_round(struct worker *w, const char *reason)
{
	taker_withdraw(&w->taker);
	take_back_all(w, reason);
}

void worker_retire(struct worker *w, enum worker_event how)
{
	bool alone = worker_finishes_alone(w);

	w->retired_by_us = true;
	worker_event(w, how);
	if (!alone || w->state != WORKER_DRAINING)
		return;
	w->state_since_ms = loop_now(worker_loop(w));
	worker_arm(w);
	broker_watch(w->terms->broker);
}

/* Nothing that we can do ends what is left of it. */
static void give_up(struct worker *w)
{
	loop_timer_disarm(&w->look);
	w->undecided = false;
	worker_event(w, EV_EXIT);
}

/* What is left of it runs as another user, so that the kernel does not let us end it. */
static void leave_alone(struct worker *w)
{
	pid_t pid = w->pid ? w->pid : w->kin.pids[0];

	log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, pid),
		  LOG_MSG("is left to itself, as the broker may not end it: end process %d by hand",
			  (int)pid));
	w->main_was = pid;
	w->pid = 0;
	w->state_before_exit = w->state;
	give_up(w);
}

void worker_deadline_expired(struct loop_timer *timer)
{
	struct worker *w = container_of(timer, struct worker, deadline);

	if (!worker_time_is_up(w))
		return;
	if (w->state == WORKER_STARTING && !w->guest)
		worker_explain_timeout(w);
	/* Its main process has ended, and /proc does not say what that has left: it was killed. */
	if (w->state == WORKER_STOPPING && w->undecided &&
	    loop_now(worker_loop(w)) - w->state_since_ms >= 2 * w->terms->live->stop_timeout_ms)
		give_up(w);
	else if (w->state == WORKER_STOPPING && w->beyond_us)
		leave_alone(w);
	else
		worker_event(w, EV_TIMEOUT);
}

void worker_settle_expired(struct loop_timer *timer)
{
	worker_event(container_of(timer, struct worker, settle), EV_LISTEN);
}

/* --- out of the round although it is well ----------------------------------------------- */

struct hold {
	unsigned by;
	const char *word, *reason, *until;
};

/* The first that holds is told. */
static const struct hold *hold_of(unsigned held)
{
	static const struct hold holds[] = {
		{ HELD_BY_HAND, "hand", "held by hand", "is released" },
		{ HELD_BY_DEBUG, "debug", "held for a debugger", "is released" },
		{ HELD_AS_HUNG, "hung", "hung", "is released" },
		{ HELD_BY_CHECK, "check", "its check fails", "passes" },
		{ HELD_BY_STOP, "stop", "its process is stopped", "runs again" },
	};
	const struct hold *h = holds;

	while (!(h->by & held))
		h++;
	return h;
}

void worker_hold(struct worker *w, enum worker_hold by)
{
	const struct hold *h = hold_of(by);
	STRBUF(tracer_text, 64);
	pid_t tracer;

	if (w->held & by)
		return;
	tracer = by == HELD_BY_STOP ? worker_tracer(w) : 0;
	tracer_add_words(tracer, &tracer_text);
	w->held |= by;
	log_event(by == HELD_BY_STOP || by == HELD_BY_CHECK ? LEVEL_WARN : LEVEL_INFO,
		  "worker-held", LOG_WORKER(w), LOG_STR("by", h->word), LOG_INT("tracer", tracer),
		  LOG_MSG("%s%s: gets no connections until it %s", h->reason, tracer_text.text,
			  h->until));
	worker_event(w, EV_HOLD);
	/* A worker that is held already takes no step, and yet the watch must see when it runs. */
	broker_watch(w->terms->broker);
}

void worker_unhold(struct worker *w, enum worker_hold by)
{
	const struct hold *h = hold_of(by);
	const char *what = by == HELD_BY_STOP ? "its process runs again" : "released";

	if (!(w->held & by))
		return;
	w->held &= ~(unsigned)by;
	w->gives_away &= by != HELD_BY_HAND;
	w->hung = w->held & HELD_AS_HUNG;
	if (w->held) {
		h = hold_of(w->held);
		log_event(LEVEL_INFO, "worker-held", LOG_WORKER(w), LOG_STR("by", h->word),
			  LOG_MSG("%s; still out of the round: %s", what, h->reason));
		return;
	}
	log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w), LOG_STR("by", h->word),
		  LOG_MSG("%s%s", what, w->state == WORKER_HELD ? ": gets connections again" : ""));
	worker_event(w, EV_RELEASE);
}

void worker_note_stopped(struct worker *w, bool stopped)
{
	if (!stopped)
		worker_unhold(w, HELD_BY_STOP);
	else if (w->state == WORKER_READY || w->state == WORKER_HELD)
		worker_hold(w, HELD_BY_STOP);
}

void worker_look_if_stopped(struct worker *w)
{
	/* Also while it is held for a debugger: does it stand at a prompt, or run? */
	if ((w->state == WORKER_READY || w->state == WORKER_HELD) &&
	    list_find(struct channel, c, &w->taker.channels, link, channel_is_stopped(c, false)))
		worker_hold(w, HELD_BY_STOP);
}
