#include "words.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "dispatch/taker.h"
#include "sys/log.h"
#include "worker/core_dump.h"
#include "worker/output.h"
#include "worker/processes.h"

const char *worker_reason(const struct worker *w, enum worker_event ev)
{
	static const char closed[] = "the worker closed its listening socket";
	static const char ended[] = "the worker ended", told[] = "the worker is told to end";
	static const char *const reasons[WORKER_EVENT_N] = {
		[EV_HOLD] = "the worker is held",
		[EV_RETIRE] = "the worker drains",
		[EV_UNLISTEN] = closed,
		[EV_CLOSED] = closed,
		[EV_MAIN_EXIT] = ended,
		[EV_EXIT] = ended,
		[EV_TIMEOUT] = told,
		[EV_STOP] = told,
		[EV_KILL] = told,
	};

	if (w->guest && w->retired_by_us)
		return "the guest is left to itself";
	return reasons[ev] ? reasons[ev] : "?";
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
	STRBUF(ended, 64);

	if (w->state == from && !(w->state == WORKER_STOPPING && ev == EV_TIMEOUT))
		return;
	if (w->guest && !w->pid)
		return; /* its end is said elsewhere */
	if (w->ended_idle)
		strbuf_addf(&ended, "; %u were ended between two requests", w->ended_idle);
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
			  LOG_INT("ended_idle", w->ended_idle),
			  LOG_MSG("no connection is left: kept for a rollback%s", ended.text));
		return;
	case WORKER_STOPPING:
		if (from != WORKER_STOPPING)
			log_event(LEVEL_INFO, "worker-stopping", LOG_WORKER(w),
				  LOG_INT("signal",
					  ev == EV_KILL ? SIGKILL : w->terms->live->stop_signal),
				  LOG_INT("ended_idle", w->ended_idle),
				  LOG_MSG("%s%s", why_stopping(from, ev), ended.text));
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
		.check = starting && w->check.awaited ? w->check.why : NULL,
	};
}

/* --- why it has ended -------------------------------------------------------------------- */

static void log_guest_left(const struct worker *w)
{
	int64_t ms = loop_now(worker_loop(w)) - w->started_ms;

	log_event(LEVEL_INFO, "guest-left", LOG_WORKER_PID(w, w->pid ? w->pid : w->main_was),
		  LOG_BOOL("ended", !w->pid), LOG_INT("served", w->served),
		  LOG_MSG("%s after %lld s and %llu connections",
			  w->pid ? "is left to itself" : "ended", (long long)ms / MSEC_PER_SEC,
			  (unsigned long long)w->served));
}

static void describe(const struct worker *w, char *how, size_t size)
{
	if (!w->exited)
		snprintf(how, size, "gone");
	else if (WIFEXITED(w->exit_status))
		snprintf(how, size, "exit %d", WEXITSTATUS(w->exit_status));
	else
		snprintf(how, size, "signal %d", WTERMSIG(w->exit_status));
}

void worker_log_exit(const struct worker *w)
{
	bool expected =
		w->state_before_exit == WORKER_STOPPING || w->state_before_exit == WORKER_DRAINING;
	STRBUF(tail, LINES_TAIL);
	char how[32];
	const char *elsewhere = worker_output_elsewhere(w);
	STRBUF(core, PATH_MAX);
	STRBUF(core_words, PATH_MAX + 128);

	if (w->guest) {
		log_guest_left(w);
		return;
	}
	describe(w, how, sizeof(how));
	core_dump_find(w, &core, &core_words);
	if (w->lines.n_tail)
		strbuf_add_bytes(&tail, w->lines.tail, w->lines.n_tail - 1);

	if (expected) {
		log_event(LEVEL_INFO, "worker-exit", LOG_WORKER_PID(w, w->main_was),
			  LOG_STR("how", how), LOG_BOOL("serving", false),
			  LOG_INT("served", w->served), LOG_STR("core", core.text),
			  LOG_MSG("ended (%s) after %lld s and %llu connections%s", how,
				  (long long)(loop_now(worker_loop(w)) - w->started_ms) /
					  MSEC_PER_SEC,
				  (unsigned long long)w->served, core_words.text));
		return;
	}
	if (w->state_before_exit == WORKER_PARKED) {
		log_event(LEVEL_WARN, "worker-exit", LOG_WORKER_PID(w, w->main_was),
			  LOG_STR("how", how), LOG_BOOL("serving", false),
			  LOG_INT("served", w->served), LOG_STR("last_output", tail.text),
			  LOG_STR("core", core.text),
			  LOG_MSG("ended (%s) while it was kept for a rollback, which cannot put "
				  "it back now%s",
				  how, core_words.text));
		return;
	}
	if (w->refusal[0] && !w->busy.family) {
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, w->main_was),
			  LOG_MSG("%s", w->refusal));
		return;
	}
	log_event(LEVEL_ERROR, w->ready_ms ? "worker-exit" : "worker-failed",
		  LOG_WORKER_PID(w, w->main_was), LOG_STR("how", how),
		  LOG_BOOL("serving", w->ready_ms != 0), LOG_INT("served", w->served),
		  LOG_STR("last_output", tail.text), LOG_STR("core", core.text),
		  LOG_MSG("%s %s (%s) after %lld ms%s%s%s",
			  w->ready_ms ? "crashed:" : "failed to start:",
			  WIFSIGNALED(w->exit_status) ? strsignal(WTERMSIG(w->exit_status))
						      : "ended",
			  how, (long long)(loop_now(worker_loop(w)) - w->started_ms),
			  tail.len    ? ""
			  : elsewhere ? "; its output goes to "
				      : "; it wrote nothing",
			  !tail.len && elsewhere ? elsewhere : "", core_words.text));
}
