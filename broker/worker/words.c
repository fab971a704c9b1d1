#include "words.h"

#include <signal.h>
#include "sys/log.h"

const char *worker_reason(const struct worker *w, enum worker_event ev)
{
	if (w->guest && w->retired_by_us)
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
		return "its main process has ended: its other processes are told to end";
	if (from == WORKER_PARKED && (ev == EV_CLOSED || ev == EV_UNLISTEN))
		return "it closed its listening socket, so that no rollback can put it back: told "
		       "to end";
	if (from == WORKER_PARKED)
		return "no longer needed for a rollback: told to end";
	return ev == EV_TIMEOUT ? "time is up: told to end" : "told to end";
}

static void log_ready(const struct worker *w, enum worker_state from)
{
	if (from == WORKER_HELD)
		return; /* worker_unhold() has said it */
	if (from != WORKER_STARTING)
		log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w),
			  LOG_MSG("is back in the round"));
	else
		log_event(LEVEL_INFO, "worker-ready", LOG_WORKER(w),
			  LOG_INT("ms", loop_now(worker_loop(w)) - w->started_ms),
			  LOG_MSG("%s", w->held ? "listens, and is held: gets no connections"
					: w->pinned_only ? "listens, and gets pinned sources only"
							 : "listens, and is in the round"));
}

void worker_log_change(const struct worker *w, enum worker_state from, enum worker_event ev)
{
	if (w->state == from && !(w->state == WORKER_STOPPING && ev == EV_TIMEOUT))
		return;
	if (w->guest && !w->pid)
		return; /* its end is said elsewhere */
	switch (w->state) {
	case WORKER_READY:
		log_ready(w, from);
		return;
	case WORKER_CLOSED:
		log_event(LEVEL_INFO, "worker-closed", LOG_WORKER(w),
			  LOG_MSG("closed its listening socket: out of the round until it listens "
				  "again"));
		return;
	case WORKER_DRAINING:
		log_event(LEVEL_INFO, "worker-draining", LOG_WORKER(w),
			  LOG_MSG("gets no more connections, and has %lld s to finish the ones it "
				  "has%s%s",
				  (long long)w->terms->live->drain_timeout_ms / MSEC_PER_SEC,
				  ev == EV_CLOSED || from == WORKER_CLOSED
					  ? " (it closed its listening socket)"
					  : "",
				  w->held & HELD_BY_HAND
					  ? "; it is held by hand, its replacement is not"
					  : ""));
		return;
	case WORKER_PARKED:
		log_event(LEVEL_INFO, "worker-parked", LOG_WORKER(w),
			  LOG_MSG("no connection is left: kept for a rollback"));
		return;
	case WORKER_STOPPING:
		if (from != WORKER_STOPPING)
			log_event(LEVEL_INFO, "worker-stopping", LOG_WORKER(w),
				  LOG_INT("signal",
					  ev == EV_KILL ? SIGKILL : w->terms->live->stop_signal),
				  LOG_MSG("%s", why_stopping(from, ev)));
		else
			log_event(LEVEL_WARN, "worker-kill", LOG_WORKER(w),
				  LOG_MSG("did not end within stop_timeout (%lld ms): killed",
					  (long long)w->terms->live->stop_timeout_ms));
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

struct worker_end_facts worker_end_facts(const struct worker *w, bool starting)
{
	return (struct worker_end_facts){
		.starting = starting,
		.exited = w->exited,
		.status = w->exit_status,
		.listens = !list_empty(&w->taker.channels),
	};
}
