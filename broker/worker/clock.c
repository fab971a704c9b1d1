#include "clock.h"

#include "sys/log.h"
#include "worker/processes.h"

#define TRACED_LOOK_MS 200 /* while its clock stands still */
#define TRACED_MS      1000 /* then it gets its whole time again: a look may meet strace(1) at work */

/* --- who looks at it with a debugger --------------------------------------------------- */

void tracer_add_words(pid_t tracer, struct strbuf *out)
{
	if (tracer)
		strbuf_addf(out, ": debugged by %s %d", proc_name(tracer).text, (int)tracer);
}

/*
 * A tracer that is of the worker itself is its wrapper (strace -f app, gdbserver): it was put there
 * by the configuration and may stay for ever, so its being there says nothing. But at a breakpoint
 * it keeps the process stopped. That a process is stopped at this moment may also be a system
 * call that strace(1) looks at: only a second look tells.
 */
static bool counts(const struct proc_status *status, const struct pid_set *tree)
{
	return status->tracer &&
	       (!pid_set_has(tree, status->tracer) || proc_state_is_stopped(status->state));
}

pid_t worker_tracer(const struct worker *w)
{
	_cleanup_pids_ struct pid_set all = { 0 };

	/* Thousands of processes are not looked at twice in a turn. */
	if (!w->found.tracer && w->found.at_ms == loop_now(worker_loop(w)))
		return 0;
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++) {
		const struct proc_status status = proc_status(all.pids[i]);

		if (counts(&status, &all))
			return status.tracer;
	}
	return 0;
}

bool worker_is_debugged(const struct worker *w)
{
	return (w->held & HELD_BY_DEBUG) || worker_tracer(w);
}

bool worker_is_found_debugged(const struct worker *w)
{
	return (w->held & HELD_BY_DEBUG) || (w->found.tracer && worker_tracer(w));
}

void worker_say_traced(struct worker *w)
{
	bool broker_waits = w->terms->broker->stopping;
	enum traced_said now = broker_waits ? SAID_BROKER_WAITS : SAID_CLOCK_STOPPED;
	STRBUF(by, 64);
	pid_t tracer;

	if (w->said_traced >= now || !worker_is_debugged(w))
		return;
	tracer = worker_tracer(w);
	w->said_traced = now;
	tracer_add_words(tracer, &by);
	log_event(LEVEL_WARN, "worker-traced", LOG_WORKER(w), LOG_INT("tracer", tracer),
		  LOG_MSG("should end, but is left alone until its debugger detaches%s%s", by.text,
			  broker_waits ? "; the broker waits for that, and a second signal ends "
					 "both now"
				       : ""));
}

/* --- the deadline ---------------------------------------------------------------------- */

int64_t worker_parks_for(const struct worker *w)
{
	const struct park_terms *park = &w->terms->park;

	if (!park->undoes || w->replaced_by != park->undoes)
		return 0;
	return park->until_ms ? park->until_ms - loop_now(worker_loop(w)) : park->window_ms;
}

static int64_t deadline_of(const struct worker *w)
{
	const struct service_conf *live = w->terms->live;

	/* The last of its processes has closed the socket: it is over, but not in mid-call. */
	if (w->guest)
		return 0;
	switch (w->state) {
	case WORKER_STARTING:
		return live->start_timeout_ms;
	case WORKER_CLOSED:
		return live->relisten_timeout_ms ? live->relisten_timeout_ms
						 : live->start_timeout_ms;
	case WORKER_DRAINING:
		return live->drain_timeout_ms;
	case WORKER_STOPPING:
		return live->stop_timeout_ms;
	case WORKER_PARKED:
		return worker_parks_for(w);
	case WORKER_READY:
	case WORKER_HELD:
	case WORKER_DEAD:
	case WORKER_STATE_N:
		break;
	}
	assert(!"a deadline was armed in a state that has none");
	return 0;
}

void worker_arm(struct worker *w)
{
	/* A person types `run` when they like. */
	if ((w->guest && w->pid) || worker_finishes_alone(w))
		return;
	w->traced_since_ms = 0;
	loop_timer_arm(worker_loop(w), &w->deadline, deadline_of(w));
}

static void arm_again(struct worker *w)
{
	int64_t left = deadline_of(w);

	/* The window of a rollback is the service's, and not counted from here. */
	if (w->state != WORKER_PARKED)
		left -= loop_now(worker_loop(w)) - w->state_since_ms;
	loop_timer_arm(worker_loop(w), &w->deadline, left > 0 ? left : 0);
}

void worker_rearm(struct worker *w)
{
	/* While its clock stands still, the timer only looks whether it runs on. */
	if (loop_timer_armed(&w->deadline) && !w->traced_since_ms)
		arm_again(w);
}

int64_t worker_deadline_left(const struct worker *w)
{
	int64_t left = w->deadline.at_ms - loop_now(worker_loop(w));

	if (!loop_timer_armed(&w->deadline))
		return -1;
	return left > 0 ? left : 0;
}

/* --- it stands still, and runs on ------------------------------------------------------ */

static void stop_clock(struct worker *w)
{
	if (!w->traced_since_ms)
		w->traced_since_ms = loop_now(worker_loop(w));
	else if (loop_now(worker_loop(w)) - w->traced_since_ms >= TRACED_MS)
		worker_say_traced(w);
	loop_timer_arm(worker_loop(w), &w->deadline, TRACED_LOOK_MS);
}

/* The debugger has let go. True if the worker has its whole time again, from now on. */
static bool start_clock(struct worker *w)
{
	int64_t since = w->traced_since_ms;

	w->traced_since_ms = 0;
	if (w->signal_due) {
		w->signal_due = false;
		worker_signal(w);
	} else if (!since || loop_now(worker_loop(w)) - since < TRACED_MS) {
		return false;
	}
	loop_timer_arm(worker_loop(w), &w->deadline, deadline_of(w));
	return true;
}

/* A reload must not end a process that somebody stands in at a breakpoint. */
void worker_signal_unless_debugged(struct worker *w)
{
	if (!worker_is_debugged(w)) {
		worker_signal(w);
		return;
	}
	w->signal_due = true;
	worker_say_traced(w);
	stop_clock(w);
}

bool worker_time_is_up(struct worker *w)
{
	if (worker_is_debugged(w)) {
		stop_clock(w);
		return false;
	}
	/* Parked while the rollout still ran: the window had not begun. */
	if (w->state == WORKER_PARKED && worker_parks_for(w) > 0) {
		arm_again(w);
		return false;
	}
	return !start_clock(w);
}
