#include "words.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "policy/core_pattern.h"
#include "sys/log.h"
#include "sys/path_match.h"
#include "worker/output.h"

/* Of the first pid namespace, in which %P counts; a constant of the kernel (PROC_PID_INIT_INO). */
#define FIRST_PID_NAMESPACE "pid:[4026531836]"

/* Entries of directories that are looked at: a few milliseconds in which nobody is accepted. */
#define LOOK_MAX 4096

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
	if (w->leaves && ev == EV_CLOSED)
		return "the worker has asked to leave";
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
			  LOG_MSG("%s", conf_is_udp(w->conf) ? "has the socket"
					: w->held ? "listens, and is held: gets no connections"
					: w->pinned_only ? "listens, and gets pinned sources only"
							 : "listens, and is in the round"));
}

static const char *why_draining(const struct worker *w, enum worker_state from,
				enum worker_event ev)
{
	if (w->leaves)
		return " (it has asked to leave)";
	return ev == EV_CLOSED || from == WORKER_CLOSED ? " (it closed its listening socket)" : "";
}

static void log_draining(const struct worker *w, enum worker_state from, enum worker_event ev)
{
	if (worker_finishes_alone(w)) {
		log_event(LEVEL_INFO, "worker-draining", LOG_WORKER(w),
			  LOG_MSG("takes no more, and finishes what it has in its own time"));
		return;
	}
	log_event(LEVEL_INFO, "worker-draining", LOG_WORKER(w),
		  LOG_MSG("%s, and has %lld s to finish the ones it has%s%s",
			  conf_is_udp(w->conf) ? "is to serve no more clients"
					       : "gets no more connections",
			  (long long)w->terms->live->drain_timeout_ms / MSEC_PER_SEC,
			  why_draining(w, from, ev),
			  w->held & HELD_BY_HAND ? "; it is held by hand, its replacement is not"
						 : ""));
}

void worker_log_change(const struct worker *w, enum worker_state from, enum worker_event ev)
{
	STRBUF(ended, 128);

	if (w->state == from && !(w->state == WORKER_STOPPING && ev == EV_TIMEOUT))
		return;
	if (w->guest && !w->pid)
		return; /* its end is said elsewhere */
	if (w->ended_idle)
		strbuf_addf(&ended, "; %u were ended between two requests", w->ended_idle);
	if (w->moved_away)
		strbuf_addf(&ended, "; %u went on with others", w->moved_away);
	switch (w->state) {
	case WORKER_READY:
		log_ready(w, from);
		return;
	case WORKER_CLOSED:
		if (w->leaves)
			return; /* it drains in the same step */
		log_event(LEVEL_INFO, "worker-closed", LOG_WORKER(w),
			  LOG_MSG("closed its listening socket: out of the round until it listens "
				  "again"));
		return;
	case WORKER_DRAINING:
		log_draining(w, from, ev);
		return;
	case WORKER_PARKED:
		log_event(LEVEL_INFO, "worker-parked", LOG_WORKER(w),
			  LOG_INT("ended_idle", w->ended_idle), LOG_INT("moved", w->moved_away),
			  LOG_MSG("no connection is left: kept for a rollback%s", ended.text));
		return;
	case WORKER_STOPPING:
		if (from != WORKER_STOPPING)
			log_event(LEVEL_INFO, "worker-stopping", LOG_WORKER(w),
				  LOG_INT("signal",
					  ev == EV_KILL ? SIGKILL : w->terms->live->stop_signal),
				  LOG_INT("ended_idle", w->ended_idle),
				  LOG_INT("moved", w->moved_away),
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

/* --- where its core dump is ---------------------------------------------------------------- */

/* Those that dump core unless they are handled. */
static const uint64_t dumping =
	1ull << SIGQUIT | 1ull << SIGILL | 1ull << SIGTRAP | 1ull << SIGABRT | 1ull << SIGBUS |
	1ull << SIGFPE | 1ull << SIGSEGV | 1ull << SIGSYS | 1ull << SIGXCPU | 1ull << SIGXFSZ;

static bool in_first_pid_namespace(void)
{
	char name[64];

	return proc_read_link(getpid(), "ns/pid", name, sizeof(name)) > 0 &&
	       !strcmp(name, FIRST_PID_NAMESPACE);
}

struct search {
	time_t since, newest;
	struct strbuf *path;
};

/* A file that was there before the worker is not its dump. */
static void look_at(const char *path, void *arg)
{
	struct search *s = arg;
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime < s->since ||
	    st.st_mtime < s->newest)
		return;
	s->newest = st.st_mtime;
	s->path->text[s->path->len = 0] = '\0';
	strbuf_add(s->path, path);
}

static void expand(const struct worker *w, struct strbuf *out)
{
	char pattern[256] = "", uses_pid[8] = "", here[PATH_MAX];
	struct utsname host = { .nodename = "" };
	struct core_facts facts = {
		.directory = conf_directory(w->conf),
		.host = host.nodename,
		.pid = w->main_was,
		.global_pid = in_first_pid_namespace() ? w->main_was : 0,
		.signal = WTERMSIG(w->exit_status),
	};

	(void)proc_read(0, "sys/kernel/core_pattern", pattern, sizeof(pattern));
	(void)proc_read(0, "sys/kernel/core_uses_pid", uses_pid, sizeof(uses_pid));
	facts.uses_pid = strtoul(uses_pid, NULL, 10);
	if (!facts.directory)
		facts.directory = getcwd(here, sizeof(here));
	(void)uname(&host);
	core_pattern_expand(pattern, &facts, out);
}

/*
 * For @w whose main process was reaped. @ret_where gets the path of the file, if it exists, or
 * "|PROGRAM" that got the dump (by kernel.core_pattern), or "@SOCKET"; @ret_words gets a clause
 * that begins with a semicolon. Both stay empty if no core dump was expected.
 */
static void find_core_dump(const struct worker *w, struct strbuf *ret_where,
			   struct strbuf *ret_words)
{
	int64_t lived_ms = loop_now(worker_loop(w)) - w->started_ms;
	time_t since = time(NULL) - (time_t)(lived_ms / MSEC_PER_SEC) - 1;
	struct search search = { .since = since, .path = ret_where };
	STRBUF(pattern, PATH_MAX);
	struct rlimit limit;
	int r;

	if (!w->exited || !WIFSIGNALED(w->exit_status))
		return;
	if (!WCOREDUMP(w->exit_status)) {
		if (!(dumping >> WTERMSIG(w->exit_status) & 1))
			return;
		if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0)
			strbuf_add(ret_words, "; no core dump: their size limit is 0 (ulimit -c, "
					      "LimitCORE=)");
		else
			strbuf_add(ret_words, "; the kernel wrote no core dump");
		return;
	}
	expand(w, &pattern);
	if (*pattern.text == '|' || *pattern.text == '@') {
		strbuf_add(ret_where, pattern.text);
		strbuf_addf(ret_words, "; core dump %s %s",
			    *pattern.text == '|' ? "given to" : "sent to the socket",
			    pattern.text + 1);
		return;
	}
	r = path_match(pattern.text, LOOK_MAX, look_at, &search);
	if (ret_where->len)
		strbuf_addf(ret_words, "; core dump: %s", ret_where->text);
	else if (r == -E2BIG)
		strbuf_addf(ret_words,
			    "; core dumped, as %s, not searched for among more than %d files",
			    pattern.text, LOOK_MAX);
	else
		strbuf_addf(ret_words,
			    "; core dumped, but no file %s is found (the program may have changed "
			    "its directory, or sees other files than the broker)",
			    pattern.text);
}

bool worker_ended_well(const struct worker *w)
{
	return w->conf->wait && (w->exited ? w->exit_status == 0 : w->state == WORKER_DRAINING);
}

/* --- why it has ended -------------------------------------------------------------------- */

static void log_guest_left(const struct worker *w)
{
	int64_t ms = loop_now(worker_loop(w)) - w->started_ms;

	log_event(LEVEL_INFO, "guest-left", LOG_WORKER(w), LOG_BOOL("ended", !w->pid),
		  LOG_INT("served", w->served),
		  LOG_MSG("%s after %lld s and %llu connections",
			  w->pid ? "is left to itself" : "ended", (long long)ms / MSEC_PER_SEC,
			  (unsigned long long)w->served));
}

/* What helps to find out why it failed. */
static void add_advice(const struct worker *w, bool silent, struct strbuf *text)
{
	const char *elsewhere = worker_output_elsewhere(w);

	if (silent && elsewhere)
		strbuf_addf(text, "; its output goes to %s", elsewhere);
	else if (silent)
		strbuf_add(text, "; it wrote nothing");
	if (!w->ready_ms && w->exited && w->exit_status == 0 && w->conf->mode == MODE_LISTEN)
		strbuf_add(text, "; if it talks to its standard input, it needs mode = inetd");
	if (silent && w->exited && !w->served && w->conf->park == PARK_FIRST_READ)
		strbuf_add(text,
			   "; if it has not touched descriptor 0 by then, it needs park = main");
}

void worker_log_exit(const struct worker *w)
{
	bool expected = w->state_before_exit == WORKER_STOPPING ||
			w->state_before_exit == WORKER_DRAINING || worker_ended_well(w);
	bool parked = w->state_before_exit == WORKER_PARKED, failed = !expected && !parked;
	int64_t ms = loop_now(worker_loop(w)) - w->started_ms;
	STRBUF(tail, LINES_TAIL);
	STRBUF(how, 32);
	STRBUF(text, PATH_MAX + 512);
	STRBUF(core, PATH_MAX);

	if (w->guest) {
		log_guest_left(w);
		return;
	}
	if (failed && w->refusal && !w->busy.family) {
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, w->main_was),
			  LOG_MSG("%s", w->refusal));
		return;
	}
	if (w->exited)
		worker_end_add_status(w->exit_status, &how);
	else
		strbuf_add(&how, "gone");
	if (w->lines.tail.len)
		strbuf_add_bytes(&tail, w->lines.tail.text, w->lines.tail.len - 1);
	if (expected)
		strbuf_addf(&text, "ended (%s) after %lld s and %llu connections", how.text,
			    (long long)ms / MSEC_PER_SEC, (unsigned long long)w->served);
	else if (parked)
		strbuf_addf(
			&text,
			"ended (%s) while it was kept for a rollback, which cannot put it back now",
			how.text);
	else
		strbuf_addf(&text, "%s %s (%s) after %lld ms",
			    w->ready_ms ? "crashed:" : "failed to start:",
			    WIFSIGNALED(w->exit_status) ? strsignal(WTERMSIG(w->exit_status))
							: "ended",
			    how.text, (long long)ms);
	if (failed)
		add_advice(w, !tail.len, &text);
	find_core_dump(w, &core, &text);
	if (failed && !w->ready_ms)
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, w->main_was),
			  LOG_STR("how", how.text), LOG_BOOL("serving", false),
			  LOG_INT("served", w->served), LOG_STR("last_output", tail.text),
			  LOG_STR("core", core.text), LOG_MSG("%s", text.text));
	else
		log_event(expected ? LEVEL_INFO
			  : parked ? LEVEL_WARN
				   : LEVEL_ERROR,
			  "worker-exit", LOG_WORKER_PID(w, w->main_was), LOG_STR("how", how.text),
			  LOG_BOOL("serving", failed), LOG_INT("served", w->served),
			  LOG_STR("last_output", expected ? NULL : tail.text),
			  LOG_STR("core", core.text), LOG_MSG("%s", text.text));
}
