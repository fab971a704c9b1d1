#include "worker/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "base/fd.h"
#include "service/guest.h"
#include "worker/launch.h"
#include "service/service.h"
#include "service/pin.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/spawn.h"

/*
 * How often a worker whose clock stands still is looked at, and how long that has to last so
 * that it gets its whole time anew: a single look may meet strace(1) in the middle of a call.
 */
#define TRACED_LOOK_MS 200
#define TRACED_MS      1000

static struct loop *loop_of(const struct worker *w)
{
	return &w->service->broker->loop;
}

const struct service_conf *worker_live_conf(const struct worker *w)
{
	const struct service *s = w->service;

	return s->target && s->roll_kind == ROLL_RELOAD ? s->target : s->conf;
}

static int64_t deadline_of(const struct worker *w)
{
	const struct service_conf *live = worker_live_conf(w);

	/* The last of its processes has closed the socket: it is over, but not in mid-call. */
	if (w->guest)
		return 0;
	switch (w->state) {
	case WORKER_STARTING:
		return live->start_timeout_ms;
	case WORKER_DRAINING:
		return live->drain_timeout_ms;
	case WORKER_STOPPING:
		return live->stop_timeout_ms;
	case WORKER_PARKED:
		return service_parks_for(w);
	case WORKER_READY:
	case WORKER_HELD:
	case WORKER_DEAD:
	case WORKER_STATE_N:
		break;
	}
	assert(!"a deadline was armed in a state that has none");
	return 0;
}

static void arm_again(struct worker *w)
{
	int64_t left = deadline_of(w);

	/* The window of a rollback is the service's, and not counted from here. */
	if (w->state != WORKER_PARKED)
		left -= loop_now(loop_of(w)) - w->state_since_ms;
	loop_timer_arm(loop_of(w), &w->deadline, left > 0 ? left : 0);
}

void worker_rearm(struct worker *w)
{
	if (loop_timer_armed(&w->deadline))
		arm_again(w);
}

int64_t worker_deadline_left(const struct worker *w)
{
	int64_t left = w->deadline.at_ms - loop_now(loop_of(w));

	if (!loop_timer_armed(&w->deadline))
		return -1;
	return left > 0 ? left : 0;
}

void worker_publish(struct worker *w)
{
	struct channel *c;

	list_for_each (c, &w->channels, link) {
		if (!list_empty(&c->member.link) || !channel_is_usable(c))
			continue;
		c->member.limit = w->conf->queue;
		c->member.waiting = channel_waiting(c->rx);
		c->stalled = false;
		c->moved_ms = loop_now(loop_of(w));
		endpoint_join(c->endpoint, c);
		if (c->endpoint->wakes)
			endpoint_dispatch(c->endpoint);
	}
}

static void withdraw(struct worker *w)
{
	struct channel *c;

	list_for_each (c, &w->channels, link)
		endpoint_leave(c->endpoint, c);
}

/*
 * It may wait so since it was stopped or stalled. While it serves, the next connection frees it;
 * now none comes, and the clients that it has would wait with it.
 */
static void free_the_robbed(struct worker *w)
{
	struct channel *c;

	list_for_each (c, &w->channels, link) {
		if (c->robbed)
			channel_nudge(c->tx);
		c->robbed = false;
	}
}

static void take_back_all(struct worker *w, const char *reason)
{
	struct channel *c;

	list_for_each (c, &w->channels, link) {
		c->moved_ms = loop_now(loop_of(w));
		if (worker_leaves_round(w) || guest_keeps(c))
			continue;
		if (channel_take_back(c, reason))
			endpoint_dispatch(c->endpoint);
	}
}

static const char *reason_of(const struct worker *w, enum worker_event ev)
{
	if (w->guest && w->asked)
		return "the guest is left to itself";
	switch (ev) {
	case EV_HOLD:
		return "the worker is held";
	case EV_RETIRE:
		return "the worker drains";
	case EV_UNLISTEN:
	case EV_CLOSED:
		return "the worker closed its listening socket";
	case EV_MAIN_EXIT:
	case EV_EXIT:
		return "the worker ended";
	case EV_TIMEOUT:
	case EV_STOP:
	case EV_KILL:
		return "the worker is told to end";
	case EV_LISTEN:
	case EV_DRAINED:
	case EV_PARK:
	case EV_RESTORE:
	case EV_RELEASE:
	case WORKER_EVENT_N:
		break;
	}
	return "?";
}

static const char *why_stopping(enum worker_state from, enum worker_event ev)
{
	if (ev == EV_DRAINED)
		return "no connection is left: told to end";
	if (ev == EV_MAIN_EXIT)
		return "its main process has ended: the others are told to end";
	if (from == WORKER_PARKED && (ev == EV_CLOSED || ev == EV_UNLISTEN))
		return "it closed its listening socket, so that no rollback can put it back: told "
		       "to end";
	if (from == WORKER_PARKED)
		return "not needed for a rollback any more: told to end";
	return ev == EV_TIMEOUT ? "time is up: told to end" : "told to end";
}

static void log_change(const struct worker *w, enum worker_state from, enum worker_event ev)
{
	if (w->state == from && !(w->state == WORKER_STOPPING && ev == EV_TIMEOUT))
		return;
	if (w->guest && !w->pid)
		return; /* its end is said elsewhere */
	switch (w->state) {
	case WORKER_READY:
		/* worker_unhold() has said it. */
		if (from == WORKER_HELD)
			return;
		if (from != WORKER_STARTING)
			log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w),
				  LOG_MSG("is back in the round"));
		else
			log_event(LEVEL_INFO, "worker-ready", LOG_WORKER(w),
				  LOG_INT("ms", loop_now(loop_of(w)) - w->started_ms),
				  LOG_MSG("%s",
					  w->held ? "listens, and is held: gets no connections"
					  : w->pinned_only ? "listens, and gets pinned sources only"
							   : "listens, and is in the round"));
		return;
	case WORKER_DRAINING:
		log_event(LEVEL_INFO, "worker-draining", LOG_WORKER(w),
			  LOG_MSG("gets no more connections, has %lld s to finish those it has%s%s",
				  (long long)worker_live_conf(w)->drain_timeout_ms / MSEC_PER_SEC,
				  ev == EV_CLOSED ? " (it closed its listening socket)" : "",
				  w->held & HELD_BY_HAND
					  ? "; it is held by hand, what takes its place is not"
					  : ""));
		return;
	case WORKER_PARKED:
		log_event(LEVEL_INFO, "worker-parked", LOG_WORKER(w),
			  LOG_MSG("no connection is left: kept for a rollback"));
		return;
	case WORKER_STOPPING:
		if (from != WORKER_STOPPING)
			log_event(LEVEL_INFO, "worker-stopping", LOG_WORKER(w),
				  LOG_INT("signal", ev == EV_KILL
							    ? SIGKILL
							    : worker_live_conf(w)->stop_signal),
				  LOG_MSG("%s", why_stopping(from, ev)));
		else
			log_event(LEVEL_WARN, "worker-kill", LOG_WORKER(w),
				  LOG_MSG("did not end within stop_timeout (%lld ms): killed",
					  (long long)worker_live_conf(w)->stop_timeout_ms));
		return;
	case WORKER_STARTING:
		log_event(LEVEL_INFO, "worker-start", LOG_WORKER(w),
			  LOG_MSG("closed its listening socket again: waiting for it to listen"));
		return;
	case WORKER_HELD: /* worker_hold() has said it */
	case WORKER_DEAD:
	case WORKER_STATE_N:
		return;
	}
}

void worker_free(struct worker *w)
{
	struct channel *c, *tmp;

	list_for_each_safe (c, tmp, &w->channels, link)
		channel_close(c);
	loop_timer_disarm(&w->deadline);
	loop_timer_disarm(&w->settle);
	guest_deinit(w);
	loop_timer_disarm(&w->look);
	worker_output_deinit(w);
	pid_set_deinit(&w->kin);
	list_remove(&w->link);
	service_conf_unref(w->conf);
	free(w);
}

/* --- the clock of a worker that somebody looks at with a debugger ---------------------- */

static void stop_clock(struct worker *w)
{
	if (!w->traced_since_ms)
		w->traced_since_ms = loop_now(loop_of(w));
	else if (loop_now(loop_of(w)) - w->traced_since_ms >= TRACED_MS)
		worker_say_traced(w);
	loop_timer_arm(loop_of(w), &w->deadline, TRACED_LOOK_MS);
}

/* The debugger has let go. True if the worker has its whole time again, from now on. */
static bool start_clock(struct worker *w)
{
	int64_t since = w->traced_since_ms;

	w->traced_since_ms = 0;
	if (w->signal_due) {
		w->signal_due = false;
		worker_signal(w);
	} else if (!since || loop_now(loop_of(w)) - since < TRACED_MS) {
		return false;
	}
	loop_timer_arm(loop_of(w), &w->deadline, deadline_of(w));
	return true;
}

/* Whoever stands at a breakpoint is not to find the process gone because of a reload. */
static void signal_unless_traced(struct worker *w)
{
	if (!worker_is_debugged(w)) {
		worker_signal(w);
		return;
	}
	w->signal_due = true;
	worker_say_traced(w);
	stop_clock(w);
}

void worker_event(struct worker *w, enum worker_event ev)
{
	enum worker_state from = w->state;
	unsigned actions;

	if (w->guest)
		ev = guest_event(ev);
	if (!worker_fsm_step(&w->state, ev, &actions))
		return;
	log_change(w, from, ev);
	notice_worker(w->service->broker, w, from, ev);
	if (w->state != from)
		w->state_since_ms = loop_now(loop_of(w));
	if (actions & ACT_DISARM)
		loop_timer_disarm(&w->deadline);
	/* A person types `run` when they like. */
	if ((actions & ACT_ARM) && !(w->guest && w->pid)) {
		w->traced_since_ms = 0;
		loop_timer_arm(loop_of(w), &w->deadline, deadline_of(w));
	}
	if (w->state == WORKER_READY && !w->ready_ms) {
		w->ready_ms = loop_now(loop_of(w));
		histogram_add(&w->service->measured.started,
			      (uint64_t)(w->ready_ms - w->started_ms) * NSEC_PER_MSEC);
	}
	/*
	 * While a whole service leaves, its workers stay in the round: nothing new is accepted,
	 * and what was accepted has nobody else to go to.
	 */
	if ((actions & ACT_WITHDRAW) &&
	    !(w->state == WORKER_DRAINING && service_leaves(w->service)))
		withdraw(w);
	if ((actions & ACT_PUBLISH) && !w->held)
		worker_publish(w);
	if (w->state == WORKER_STOPPING || w->state == WORKER_DEAD)
		withdraw(w);
	if (actions & ACT_TAKE_BACK)
		take_back_all(w, reason_of(w, ev));
	if (w->state == WORKER_DRAINING && from != WORKER_DRAINING)
		free_the_robbed(w);
	if (actions & ACT_SIGNAL)
		signal_unless_traced(w);
	if (actions & ACT_KILL)
		worker_kill(w);
	if (w->state == WORKER_DEAD) {
		/* The books of the channels must be closed before the service looks at them. */
		struct channel *c, *tmp;

		list_for_each_safe (c, tmp, &w->channels, link)
			channel_close(c);
	}
	service_worker_changed(w, from);
	broker_watch(w->service->broker);
	if (w->state == WORKER_DEAD)
		service_unpin_generation(w, "the worker has ended");
	if (actions & ACT_RELEASE)
		worker_free(w);
	else if (w->state == WORKER_READY && w->held)
		worker_event(w, EV_HOLD); /* it was held before it listened */
}

static void deadline_expired(struct loop_timer *timer)
{
	struct worker *w = container_of(timer, struct worker, deadline);

	if (worker_is_debugged(w)) {
		stop_clock(w);
		return;
	}
	/* Parked while the rollout still ran: the window had not begun. */
	if (w->state == WORKER_PARKED && service_parks_for(w) > 0) {
		arm_again(w);
		return;
	}
	if (start_clock(w))
		return;
	if (w->state == WORKER_STARTING && !w->guest)
		launch_explain_timeout(w);
	worker_event(w, EV_TIMEOUT);
}

static void settle_expired(struct loop_timer *timer)
{
	worker_event(container_of(timer, struct worker, settle), EV_LISTEN);
}

static void look_expired(struct loop_timer *timer)
{
	worker_look_for_kin(container_of(timer, struct worker, look));
}

struct worker *worker_new(struct service *service, struct service_conf *conf, unsigned slot,
			  unsigned generation)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->service = service;
	w->conf = service_conf_ref(conf);
	w->id = ++service->broker->given.worker;
	w->slot = slot;
	w->generation = generation;
	snprintf(w->name, sizeof(w->name), "%s.%u", conf->name, slot);
	w->state = WORKER_STARTING;
	list_init(&w->link);
	list_init(&w->channels);
	w->pidfd = -1;
	w->process_source.fd = -1;
	loop_timer_init(&w->deadline, deadline_expired);
	loop_timer_init(&w->settle, settle_expired);
	loop_timer_init(&w->look, look_expired);
	worker_output_init(w);
	w->started_ms = w->state_since_ms = loop_now(&service->broker->loop);
	return w;
}

struct worker *worker_start(struct service *service, struct service_conf *conf, unsigned slot,
			    unsigned generation)
{
	struct worker *w = worker_new(service, conf, slot, generation);
	STRBUF(error, 512);
	int r = -ENOMEM;

	if (w && getrandom(w->token, sizeof(w->token), 0) == (ssize_t)sizeof(w->token))
		r = launch(w, &error);
	if (r == 0)
		r = worker_output_watch(w);
	if (r < 0) {
		STRBUF(name, sizeof(w->name));

		strbuf_addf(&name, "%s.%u", conf->name, slot);
		log_event(LEVEL_ERROR, "worker-failed", LOG_STR("service", conf->name),
			  LOG_STR("worker", name.text), LOG_INT("generation", generation),
			  LOG_MSG("cannot start a worker: %s",
				  error.len ? error.text : strerror(-r)));
		if (w && w->pid) {
			(void)spawn_kill(w->pid, SIGKILL);
			w->pid = 0;
		}
		if (w)
			worker_free(w);
		return NULL;
	}
	list_append(&service->workers, &w->link);
	loop_timer_arm(loop_of(w), &w->deadline, conf->start_timeout_ms);
	notice_process_started(service->broker, w, w->pid);
	log_event(LEVEL_INFO, "worker-start", LOG_WORKER(w), LOG_MSG("started"));
	return w;
}
