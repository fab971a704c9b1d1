#include "why.h"

#include "base/units.h"

void why_add_time(struct strbuf *out, int64_t ms)
{
	int64_t s = ms / MSEC_PER_SEC;

	if (ms < 0)
		ms = s = 0;
	if (ms < MSEC_PER_SEC)
		strbuf_addf(out, "%lld ms", (long long)ms);
	else if (s < 120)
		strbuf_addf(out, "%lld s", (long long)s);
	else if (s < 120 * 60)
		strbuf_addf(out, "%lld min", (long long)s / 60);
	else if (s < 48 * 3600)
		strbuf_addf(out, "%lld h", (long long)s / 3600);
	else
		strbuf_addf(out, "%lld d", (long long)s / 86400);
}

static void add_left(const struct why_worker *w, const char *before, const char *after,
		     struct strbuf *out)
{
	if (w->left_ms < 0)
		return;
	strbuf_add(out, before);
	why_add_time(out, w->left_ms);
	strbuf_add(out, after);
}

static void add_signal(int signal, struct strbuf *out)
{
	strbuf_add(out, "SIG");
	units_add_signal(out, signal);
}

static void add_tracer(const struct why_worker *w, struct strbuf *out)
{
	strbuf_addf(out, "%s %d", w->tracer_name, w->tracer);
}

/* Deadlines stand still while somebody debugs it: then there is no time to tell. */
static void add_debugged(const struct why_worker *w, struct strbuf *out)
{
	if (w->tracer) {
		strbuf_add(out, "; debugged by ");
		add_tracer(w, out);
	} else {
		strbuf_add(out, "; held for a debugger");
	}
	strbuf_add(out, ": no deadline runs");
}

static void why_starting(const struct why_worker *w, struct strbuf *out)
{
	strbuf_add(out, "starting ");
	why_add_time(out, w->state_ms);
	if (w->missing && *w->missing)
		strbuf_addf(out, ": does not listen on %s yet", w->missing);
	else
		strbuf_add(out, ": does not listen yet");
	if (w->debugged)
		add_debugged(w, out);
	else
		add_left(w, ", ", " left", out);
	if (w->last_end)
		strbuf_addf(out, "; before: %s", w->last_end);
	if (w->last_end && w->failures > 1)
		strbuf_addf(out, ", %u times", w->failures);
}

/* What waited is soon taken back and given to others: mostly there is nothing to see any more. */
static void why_stalled(const struct why_worker *w, struct strbuf *out)
{
	if (w->waiting) {
		strbuf_addf(out, "takes no connections, though %u wait%s", w->waiting,
			    w->waiting == 1 ? "s" : "");
		return;
	}
	strbuf_add(out, "has taken no connection for ");
	why_add_time(out, w->stalled_ms);
	strbuf_add(out, ": busy, or stuck");
}

static void why_ready(const struct why_worker *w, struct strbuf *out)
{
	if (w->stalled_ms)
		why_stalled(w, out);
	else if (w->pinned_only)
		strbuf_add(out, "pinned sources only");
	else if (w->tracer)
		strbuf_add(out, "runs under ");
	else if (w->last_end && w->last_end_ms < 10 * 60 * MSEC_PER_SEC) {
		strbuf_addf(out, "replaced after %s, ", w->last_end);
		why_add_time(out, w->last_end_ms);
		strbuf_add(out, " ago");
	}
	if (w->tracer && !w->stalled_ms && !w->pinned_only)
		add_tracer(w, out);
}

static void why_held(const struct why_worker *w, struct strbuf *out)
{
	const char *sep = "";

	if (w->stopped) {
		strbuf_add(out, "stopped");
		if (w->tracer) {
			strbuf_add(out, ": ");
			add_tracer(w, out);
		} else {
			strbuf_add(out, " by a signal, until SIGCONT");
		}
		sep = "; ";
	}
	if (w->held_by_debug) {
		strbuf_addf(out, "%sheld for a debugger", sep);
		if (w->tracer && !w->stopped) {
			strbuf_add(out, ": ");
			add_tracer(w, out);
		}
		sep = "; ";
	}
	if (w->held_by_hand)
		strbuf_addf(out, "%sheld by hand", sep);
}

static void why_draining(const struct why_worker *w, struct strbuf *out)
{
	strbuf_add(out, "draining ");
	why_add_time(out, w->state_ms);
	if (w->open >= 0)
		strbuf_addf(out, ": %d connection%s open", w->open, w->open == 1 ? "" : "s");
	else
		strbuf_add(out, ": open connections not known (its /proc cannot be read)");
	if (w->waiting)
		strbuf_addf(out, ", %u waiting", w->waiting);
	if (w->debugged) {
		add_debugged(w, out);
	} else if (w->left_ms >= 0) {
		strbuf_add(out, ", ");
		add_signal(w->stop_signal, out);
		add_left(w, " in ", "", out);
	}
}

static void why_stopping(const struct why_worker *w, struct strbuf *out)
{
	strbuf_add(out, "told to end ");
	why_add_time(out, w->state_ms);
	strbuf_add(out, " ago (");
	add_signal(w->stop_signal, out);
	strbuf_add(out, ")");
	if (w->debugged)
		add_debugged(w, out);
	else
		add_left(w, ", SIGKILL in ", "", out);
}

void why_worker(const struct why_worker *w, struct strbuf *out)
{
	switch (w->state) {
	case WORKER_STARTING:
		why_starting(w, out);
		return;
	case WORKER_READY:
		why_ready(w, out);
		return;
	case WORKER_HELD:
		why_held(w, out);
		return;
	case WORKER_CLOSED:
		strbuf_add(out, "has closed its listening socket, and may open it again");
		add_left(w, " within ", "", out);
		return;
	case WORKER_DRAINING:
		why_draining(w, out);
		return;
	case WORKER_STOPPING:
		why_stopping(w, out);
		return;
	case WORKER_PARKED:
		strbuf_add(out, "kept for a rollback");
		add_left(w, ", ", " left", out);
		return;
	case WORKER_DEAD:
	case WORKER_STATE_N:
		return;
	}
}

static const char *ordinal(unsigned n)
{
	if (n % 100 >= 11 && n % 100 <= 13)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

void why_slot(const struct why_slot *s, struct strbuf *out)
{
	if (s->stopping) {
		strbuf_add(out, "no worker: the service is stopping");
		return;
	}
	if (s->paused) {
		strbuf_add(out, "paused: no workers until the next reload");
		return;
	}
	if (s->backoff_ms > 0) {
		strbuf_add(out, "back-off ");
		why_add_time(out, s->backoff_ms);
	} else {
		strbuf_add(out, "waits for its turn to start");
	}
	if (s->last_end) {
		strbuf_addf(out, " after %s", s->last_end);
		if (s->failures > 1)
			strbuf_addf(out, ", %u%s time", s->failures, ordinal(s->failures));
	} else if (s->backoff_ms > 0) {
		strbuf_add(out, ", as another worker has failed");
	}
	if (s->last_line && *s->last_line)
		strbuf_addf(out, ": %s", s->last_line);
}
