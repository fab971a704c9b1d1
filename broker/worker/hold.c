/*
 * Workers that are out of the round although they are well: held by hand, stopped, debugged. And
 * who debugs them, since then no clock ticks for them.
 */
#include <errno.h>
#include <string.h>
#include "service/service.h"
#include "service/service.h"
#include "sys/log.h"

/* "debugged by gdb 4711", or nothing. */
static void add_tracer(pid_t tracer, struct strbuf *out)
{
	char name[32];

	if (!tracer)
		return;
	proc_name(tracer, name, sizeof(name));
	strbuf_addf(out, ": debugged by %s %d", name, (int)tracer);
}

static const char *word_of(unsigned held)
{
	return held & HELD_BY_HAND ? "hand" : held & HELD_BY_DEBUG ? "debug" : "stop";
}

static const char *reason_of(unsigned held)
{
	return held & HELD_BY_HAND    ? "held by hand"
	       : held & HELD_BY_DEBUG ? "held for a debugger"
				      : "its process is stopped";
}

void worker_hold(struct worker *w, enum worker_hold by)
{
	STRBUF(tracer_text, 64);
	pid_t tracer = 0;

	if (w->held & by)
		return;
	if (by == HELD_BY_STOP)
		(void)worker_is_traced(w, &tracer);
	add_tracer(tracer, &tracer_text);
	w->held |= by;
	log_event(by == HELD_BY_STOP ? LEVEL_WARN : LEVEL_INFO, "worker-held", LOG_WORKER(w),
		  LOG_STR("by", word_of(by)), LOG_INT("tracer", tracer),
		  LOG_MSG("%s%s: gets no connections until it %s", reason_of(by), tracer_text.text,
			  by == HELD_BY_STOP ? "runs again" : "is released"));
	worker_event(w, EV_HOLD);
	/* One that is held already steps nowhere, and yet somebody must see when it runs again. */
	broker_watch(w->service->broker);
}

void worker_unhold(struct worker *w, enum worker_hold by)
{
	const char *what = by == HELD_BY_STOP ? "its process runs again" : "released";

	if (!(w->held & by))
		return;
	w->held &= ~(unsigned)by;
	if (w->held) {
		log_event(LEVEL_INFO, "worker-held", LOG_WORKER(w), LOG_STR("by", word_of(w->held)),
			  LOG_MSG("%s; stays out of the round: %s", what, reason_of(w->held)));
		return;
	}
	log_event(LEVEL_INFO, "worker-released", LOG_WORKER(w), LOG_STR("by", word_of(by)),
		  LOG_MSG("%s%s", what, w->state == WORKER_HELD ? ": gets connections again" : ""));
	worker_event(w, EV_RELEASE);
}

/*
 * A tracer that is of the worker itself is its wrapper (strace -f app, gdbserver): it was put there
 * by the configuration and may stay for ever, so its being there says nothing. But at a breakpoint
 * it keeps the process stopped. That a process is stopped at this moment may also be a system
 * call that strace(1) looks at: who asks twice knows.
 */
static bool counts(const struct proc_status *status, const struct pid_set *tree)
{
	return status->tracer &&
	       (!pid_set_has(tree, status->tracer) || proc_state_is_stopped(status->state));
}

bool worker_is_traced(const struct worker *w, pid_t *ret_tracer)
{
	struct pid_set all = { 0 };
	struct proc_status status;
	bool traced = false;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n && !traced; i++) {
		traced = proc_read_status(all.pids[i], &status) == 0 && counts(&status, &all);
		if (traced && ret_tracer)
			*ret_tracer = status.tracer;
	}
	pid_set_deinit(&all);
	return traced;
}

bool worker_is_debugged(const struct worker *w)
{
	return (w->held & HELD_BY_DEBUG) || worker_is_traced(w, NULL);
}

bool worker_is_found_debugged(const struct worker *w)
{
	return (w->held & HELD_BY_DEBUG) || (w->found.tracer && worker_is_traced(w, NULL));
}

void worker_say_traced(struct worker *w)
{
	bool broker_waits = w->service->broker->stopping;
	unsigned news = broker_waits ? 2 : 1;
	STRBUF(by, 64);
	pid_t tracer = 0;

	if (w->said_traced >= news || !worker_is_debugged(w))
		return;
	(void)worker_is_traced(w, &tracer);
	w->said_traced = news;
	add_tracer(tracer, &by);
	log_event(LEVEL_WARN, "worker-traced", LOG_WORKER(w), LOG_INT("tracer", tracer),
		  LOG_MSG("is to end, but is left alone until its debugger lets go of it%s%s",
			  by.text,
			  broker_waits ? "; the broker waits for that, and a second signal ends "
					 "both now"
				       : ""));
}
