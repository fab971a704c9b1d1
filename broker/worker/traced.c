#include "traced.h"

#include "sys/log.h"
#include "worker/processes.h"

void tracer_add_words(pid_t tracer, struct strbuf *out)
{
	char name[32];

	if (!tracer)
		return;
	proc_name(tracer, name, sizeof(name));
	strbuf_addf(out, ": debugged by %s %d", name, (int)tracer);
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

bool worker_is_traced(const struct worker *w, pid_t *ret_tracer)
{
	_cleanup_pid_set_ struct pid_set all = { 0 };
	struct proc_status status;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		if (proc_read_status(all.pids[i], &status) == 0 && counts(&status, &all)) {
			if (ret_tracer)
				*ret_tracer = status.tracer;
			return true;
		}
	return false;
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
	bool broker_waits = w->terms->broker->stopping;
	enum traced_said now = broker_waits ? SAID_BROKER_WAITS : SAID_CLOCK_STOPPED;
	STRBUF(by, 64);
	pid_t tracer = 0;

	if (w->said_traced >= now || !worker_is_debugged(w))
		return;
	(void)worker_is_traced(w, &tracer);
	w->said_traced = now;
	tracer_add_words(tracer, &by);
	log_event(LEVEL_WARN, "worker-traced", LOG_WORKER(w), LOG_INT("tracer", tracer),
		  LOG_MSG("should end, but is left alone until its debugger detaches%s%s", by.text,
			  broker_waits ? "; the broker waits for that, and a second signal ends "
					 "both now"
				       : ""));
}
