#include "guest.h"

#include "base/fd.h"
#include "sys/log.h"

/* --- leaving --------------------------------------------------------------------------- */

enum worker_event guest_event(enum worker_event ev)
{
	switch (ev) {
	case EV_RETIRE:
	case EV_STOP:
	case EV_KILL:
	case EV_TIMEOUT:
		return EV_EXIT;
	case EV_CLOSED:
		/* While its process lives the app may listen again: `run`, once more. */
		return EV_UNLISTEN;
	case EV_LISTEN:
	case EV_UNLISTEN:
	case EV_DRAINED:
	case EV_PARK:
	case EV_RESTORE:
	case EV_HOLD:
	case EV_RELEASE:
	case EV_MAIN_EXIT:
	case EV_EXIT:
	case WORKER_EVENT_N:
		break;
	}
	return ev;
}

bool guest_keeps(const struct channel *c)
{
	const struct worker *w = worker_of(c);

	return w->guest && w->retired_by_us && list_empty(&c->endpoint->round.ring);
}

void guest_log_left(const struct worker *w)
{
	int64_t ms = loop_now(worker_loop(w)) - w->started_ms;

	log_event(LEVEL_INFO, "guest-left", LOG_WORKER_PID(w, w->pid ? w->pid : w->main_was),
		  LOG_BOOL("ended", !w->pid), LOG_INT("served", w->served),
		  LOG_MSG("%s after %lld s and %llu connections",
			  w->pid ? "is left to itself" : "ended", (long long)ms / MSEC_PER_SEC,
			  (unsigned long long)w->served));
}

void guest_deinit(struct worker *w)
{
	if (w->pidfd < 0)
		return;
	loop_remove(worker_loop(w), &w->process_source);
	fd_closep(&w->pidfd);
}
