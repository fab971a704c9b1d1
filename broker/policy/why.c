#include "why.h"

#include <stdio.h>
#include "base/units.h"

struct time_text {
	char text[32];
};

/* "12 s", "3 min": as exact as people need it. */
static struct time_text in_words(int64_t ms)
{
	static const struct {
		int64_t from, ms;
		const char *name;
	} units[] = {
		{ 48 * 3600000, 86400000, "d" }, { 120 * 60000, 3600000, "h" },
		{ 120 * 1000, 60000, "min" },	 { 1000, 1000, "s" },
		{ INT64_MIN, 1, "ms" },
	};
	struct time_text time;
	size_t i = 0;

	while (ms < units[i].from)
		i++;
	snprintf(time.text, sizeof(time.text), "%lld %s",
		 ms < 0 ? 0 : (long long)(ms / units[i].ms), units[i].name);
	return time;
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static void add_tracer(const struct why_worker *w, const char *before, struct strbuf *out)
{
	strbuf_addf(out, "%s%s %d", before, w->tracer_name, w->tracer);
}

/* Deadlines stand still while somebody debugs it: then there is no time to tell. */
static void add_debugged(const struct why_worker *w, const char *before, struct strbuf *out)
{
	strbuf_add(out, before);
	if (w->tracer)
		add_tracer(w, "debugged by ", out);
	else
		strbuf_add(out, "held for a debugger");
	strbuf_add(out, ": no deadline runs");
}

static void add_left(const struct why_worker *w, const char *before, const char *after,
		     struct strbuf *out)
{
	if (w->left_ms >= 0)
		strbuf_addf(out, "%s%s%s", before, in_words(w->left_ms).text, after);
}

static bool add_check(const struct why_worker *w, struct strbuf *out)
{
	if (!w->check || !*w->check)
		return false;
	if (w->check_failures)
		strbuf_addf(out, "check failing (%u): %s", w->check_failures, w->check);
	else
		strbuf_add(out, w->check);
	return true;
}

static void why_starting(const struct why_worker *w, struct strbuf *out)
{
	bool known = w->missing && *w->missing;

	strbuf_addf(out, "starting %s: ", in_words(w->state_ms).text);
	if (!add_check(w, out))
		strbuf_addf(out, "does not listen%s%s yet", known ? " on " : "",
			    known ? w->missing : "");
	if (w->debugged)
		add_debugged(w, "; ", out);
	else
		add_left(w, ", ", " left", out);
	if (w->trouble)
		strbuf_addf(out, "; before: %s", w->trouble->words);
	if (w->trouble && w->trouble->in_a_row > 1)
		strbuf_addf(out, ", %u times", w->trouble->in_a_row);
}

static void why_ready(const struct why_worker *w, struct strbuf *out)
{
	/* What waited is soon taken back and given to others: mostly there is nothing to see. */
	if (w->stalled_ms && w->waiting)
		strbuf_addf(out, "has taken no connection for %s, though %u wait%s",
			    in_words(w->stalled_ms).text, w->waiting, w->waiting == 1 ? "s" : "");
	else if (w->stalled_ms)
		strbuf_addf(out, "has taken no connection for %s: busy, or stuck",
			    in_words(w->stalled_ms).text);
	else if (add_check(w, out))
		return;
	else if (w->missing && *w->missing)
		strbuf_addf(out, "does not listen on %s, as others do", w->missing);
	else if (w->pinned_only)
		strbuf_add(out, "pinned sources only");
	else if (w->tracer)
		add_tracer(w, "runs under ", out);
	else if (w->trouble && w->now_ms - w->trouble->at_ms < 10 * 60 * MSEC_PER_SEC)
		strbuf_addf(out, "replaced after %s, %s ago", w->trouble->words,
			    in_words(w->now_ms - w->trouble->at_ms).text);
}

static void why_held(const struct why_worker *w, struct strbuf *out)
{
	bool stopped = w->held & HELD_BY_STOP;

	if (stopped && w->tracer)
		add_tracer(w, "stopped: ", out);
	else if (stopped)
		strbuf_add(out, "stopped by a signal, until SIGCONT");
	if (w->held & HELD_BY_DEBUG)
		strbuf_addf(out, "%sheld for a debugger", stopped ? "; " : "");
	if ((w->held & HELD_BY_DEBUG) && w->tracer && !stopped)
		add_tracer(w, ": ", out);
	if (w->held & HELD_AS_HUNG)
		strbuf_addf(out, "%sheld, as it took no connections", out->len ? "; " : "");
	if (w->held & HELD_BY_CHECK) {
		strbuf_add(out, out->len ? "; " : "");
		if (!add_check(w, out))
			strbuf_add(out, "check passes again, but not often enough yet");
	}
	if (w->held & HELD_BY_HAND)
		strbuf_addf(out, "%sheld by hand", out->len ? "; " : "");
}

static void why_draining(const struct why_worker *w, struct strbuf *out)
{
	strbuf_addf(out, "draining %s: ", in_words(w->state_ms).text);
	if (w->open >= 0)
		strbuf_addf(out, "%d connection%s open", w->open, plural(w->open));
	else
		strbuf_add(out, "open connections not known (its /proc cannot be read)");
	if (w->waiting)
		strbuf_addf(out, ", %u waiting", w->waiting);
	if (w->moved)
		strbuf_addf(out, ", %u moved", w->moved);
	if (w->ended_idle)
		strbuf_addf(out, ", %u ended while idle", w->ended_idle);
	if (w->debugged)
		add_debugged(w, "; ", out);
	else if (w->left_ms >= 0)
		strbuf_addf(out, ", SIG%s in %s", units_signal(w->stop_signal).text,
			    in_words(w->left_ms).text);
}

static void why_stopping(const struct why_worker *w, struct strbuf *out)
{
	strbuf_addf(out, "told to end %s ago (SIG%s)", in_words(w->state_ms).text,
		    units_signal(w->stop_signal).text);
	if (w->debugged)
		add_debugged(w, "; ", out);
	else
		add_left(w, ", SIGKILL in ", "", out);
}

static void why_closed(const struct why_worker *w, struct strbuf *out)
{
	strbuf_add(out, "has closed its listening socket, and may open it again");
	add_left(w, " within ", "", out);
}

static void why_parked(const struct why_worker *w, struct strbuf *out)
{
	strbuf_add(out, "kept for a rollback");
	add_left(w, ", ", " left", out);
}

void why_worker(const struct why_worker *w, struct strbuf *out)
{
	static void (*const of[WORKER_DEAD])(const struct why_worker *w, struct strbuf *out) = {
		[WORKER_STARTING] = why_starting, [WORKER_READY] = why_ready,
		[WORKER_HELD] = why_held,	  [WORKER_CLOSED] = why_closed,
		[WORKER_DRAINING] = why_draining, [WORKER_PARKED] = why_parked,
		[WORKER_STOPPING] = why_stopping,
	};

	if (w->state < WORKER_DEAD)
		of[w->state](w, out);
}

void why_rollout_waits(const struct why_worker *w, const char *name, struct strbuf *out)
{
	if (w->state == WORKER_STARTING)
		strbuf_addf(out, "%s to %s (%lld s", name, w->check ? "pass its check" : "listen",
			    (long long)w->state_ms / MSEC_PER_SEC);
	else if (w->state == WORKER_READY)
		strbuf_addf(out, "%s to take a connection (%lld s", name,
			    (long long)w->state_ms / MSEC_PER_SEC);
	else if (w->state == WORKER_DRAINING)
		strbuf_addf(out, "%s to end (draining, %d connection%s open", name, w->open,
			    plural(w->open));
	else
		strbuf_addf(out, "%s to end (%s", name,
			    w->state == WORKER_STOPPING ? "told to" : worker_state_names[w->state]);
	if (w->debugged)
		add_debugged(w, ", ", out);
	else if (w->left_ms >= 0)
		/* Rounded up: "0 s left" would be read as over. */
		strbuf_addf(out, ", %lld s left",
			    (long long)(w->left_ms + MSEC_PER_SEC - 1) / MSEC_PER_SEC);
	strbuf_add(out, ")");
}

static const char *ordinal(unsigned n)
{
	if (n % 100 >= 11 && n % 100 <= 13)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

void why_slot(const struct why_slot *s, struct strbuf *out)
{
	const struct slot_trouble *t = s->trouble;

	if (s->stopping) {
		strbuf_add(out, "no worker: the service is stopping");
		return;
	}
	if (s->paused) {
		strbuf_addf(out, "%s: no workers until brokerctl start %s, or a reload",
			    s->stopped ? "stopped" : "paused", s->service);
		return;
	}
	if (s->asleep) {
		strbuf_add(out, "waiting for a client");
		return;
	}
	if (s->backoff_ms > 0)
		strbuf_addf(out, "back-off %s", in_words(s->backoff_ms).text);
	else
		strbuf_add(out, "waits for its turn to start");
	if (t)
		strbuf_addf(out, " after %s", t->words);
	else if (s->backoff_ms > 0)
		strbuf_add(out, ", as another worker has failed");
	if (t && t->in_a_row > 1)
		strbuf_addf(out, ", %u%s time", t->in_a_row, ordinal(t->in_a_row));
	if (t && *t->last_output)
		strbuf_addf(out, ": %s", t->last_output);
}
