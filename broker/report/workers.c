/*
 * The lines of workers, and of slots that wait for their next process.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"
#include "dispatch/taker.h"
#include "policy/why.h"
#include "report/status.h"
#include "service/fill.h"
#include "worker/clock.h"

static int64_t now_of(const struct service *s)
{
	return loop_now(&s->broker->loop);
}

/* For how long it has taken nothing, of the channel where that is longest; 0: it is not stalled. */
static int64_t stalled_for(const struct worker *w, int64_t now)
{
	const struct channel *c;
	int64_t longest = 0;

	list_for_each (c, &w->taker.channels, link)
		if (c->stalled && now - c->moved_ms > longest)
			longest = now - c->moved_ms;
	return longest;
}

static void list_missing(const struct worker *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!taker_listens_on(&w->taker, w->conf->listen[i].app_port))
			strbuf_addf(out, "%sport %u", out->len ? ", " : "",
				    w->conf->listen[i].app_port);
}

static void explain_worker(const struct worker *w, struct strbuf *out)
{
	/* What a rollout has started does not replace one that has failed. */
	const struct slot_trouble *trouble =
		worker_state_is_current(w->state) && !w->guest && !w->rollout_number
			? service_trouble(service_of(w), w->slot)
			: NULL;
	int64_t now = now_of(service_of(w));
	STRBUF(missing, 128);
	struct why_worker why = {
		.state = w->state,
		.state_ms = now - w->state_since_ms,
		.left_ms = worker_deadline_left(w),
		.stop_signal = w->terms->live->stop_signal,
		.open = w->found.round ? w->found.open : -1,
		.waiting = taker_waiting(&w->taker),
		.held_by_hand = w->held & HELD_BY_HAND,
		.held_by_debug = w->held & HELD_BY_DEBUG,
		.stopped = w->held & HELD_BY_STOP,
		.pinned_only = w->pinned_only,
		.stalled_ms = stalled_for(w, now),
		.debugged = worker_is_found_debugged(w),
		.tracer = w->found.tracer,
		.tracer_name = w->found.tracer_name,
		.missing = missing.text,
	};

	if (trouble) {
		why.failures = trouble->in_a_row;
		why.last_end = trouble->words;
		why.last_end_ms = now - trouble->at_ms;
	}
	if (w->state == WORKER_STARTING)
		list_missing(w, &missing);
	why_worker(&why, out);
}

static void write_findings(const struct worker *w, struct buf *out)
{
	const struct worker_findings *f = &w->found;

	if (f->round && f->open >= 0)
		json_int(out, "open", f->open);
	else
		json_null(out, "open");
	if (f->round) {
		json_uint(out, "rss_bytes", f->rss_bytes);
		json_uint(out, "cpu_ms", f->cpu_ms);
	} else {
		json_null(out, "rss_bytes");
		json_null(out, "cpu_ms");
	}
}

static void write_tracer(const struct worker *w, struct buf *out)
{
	if (!w->found.tracer) {
		json_null(out, "tracer");
		return;
	}
	json_object(out, "tracer");
	json_int(out, "pid", w->found.tracer);
	json_str(out, "name", w->found.tracer_name);
	json_close(out);
}

void status_write_worker(const struct worker *w, struct buf *out)
{
	STRBUF(why, 512);

	explain_worker(w, &why);
	json_begin(out);
	json_str(out, "type", "worker");
	json_str(out, "service", service_name(service_of(w)));
	json_str(out, "worker", w->name);
	if (w->guest)
		json_null(out, "slot");
	else
		json_uint(out, "slot", w->slot);
	json_bool(out, "guest", w->guest);
	if (w->pid)
		json_int(out, "pid", w->pid);
	else
		json_null(out, "pid");
	json_uint(out, "generation", w->generation);
	json_str(out, "state", worker_state_names[w->state]);
	json_int(out, "state_ms", now_of(service_of(w)) - w->state_since_ms);
	json_uint(out, "given", taker_taken(&w->taker));
	json_uint(out, "waiting", taker_waiting(&w->taker));
	write_findings(w, out);
	json_uint(out, "restarts", w->guest ? 0 : service_of(w)->slots[w->slot].restarts);
	write_tracer(w, out);
	json_bool(out, "pinned_only", w->pinned_only);
	json_str(out, "why", why.text);
	json_end(out);
}

/* --- a slot without a worker --------------------------------------------------------- */

bool status_slot_is_empty(const struct service *s, unsigned slot)
{
	return slot < s->want && !s->slots[slot].current && !s->slots[slot].next;
}

void status_explain_slot(const struct service *s, unsigned slot, struct strbuf *out)
{
	const struct slot_trouble *trouble = service_trouble(s, slot);
	struct why_slot why = {
		.backoff_ms = backoff_wait(&s->backoff, now_of(s)),
		.failures = trouble ? trouble->in_a_row : 0,
		.last_end = trouble ? trouble->words : NULL,
		.last_line = trouble ? trouble->last_output : NULL,
		.paused = s->dispatch.paused,
		.stopping = s->dispatch.stopping,
	};

	why_slot(&why, out);
}

static void write_slot(const struct service *s, unsigned slot, struct buf *out)
{
	bool waits = !service_leaves(s) && backoff_wait(&s->backoff, now_of(s)) > 0;
	int64_t since = waits ? s->last_failure_ms : s->slots[slot].left_ms;
	char name[HANDOFF_SERVICE_SIZE + 16];
	STRBUF(text, 512);

	status_explain_slot(s, slot, &text);
	snprintf(name, sizeof(name), "%s.%u", service_name(s), slot);
	json_begin(out);
	json_str(out, "type", "worker");
	json_str(out, "service", service_name(s));
	json_str(out, "worker", name);
	json_uint(out, "slot", slot);
	json_bool(out, "guest", false);
	json_null(out, "pid");
	json_uint(out, "generation", s->generation);
	json_str(out, "state", waits ? "back-off" : "empty");
	if (since)
		json_int(out, "state_ms", now_of(s) - since);
	else
		json_null(out, "state_ms");
	json_uint(out, "given", 0);
	json_uint(out, "waiting", 0);
	json_null(out, "open");
	json_null(out, "rss_bytes");
	json_null(out, "cpu_ms");
	json_uint(out, "restarts", s->slots[slot].restarts);
	json_null(out, "tracer");
	json_bool(out, "pinned_only", false);
	json_str(out, "why", text.text);
	json_end(out);
}

/* --- the workers of a service, in order ---------------------------------------------- */

static int by_slot(const void *a, const void *b)
{
	const struct worker *x = *(const struct worker *const *)a;
	const struct worker *y = *(const struct worker *const *)b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return x->started_ms < y->started_ms ? -1 : x->started_ms > y->started_ms;
}

static void add_row(struct status_rows *rows, uint64_t worker, unsigned slot)
{
	rows->v[rows->n++] = (struct status_row){ .worker = worker, .slot = slot };
}

int status_list_rows(const struct service *s, struct status_rows *ret)
{
	size_t n = list_count(&s->workers), i = 0;
	_cleanup_free_ struct worker **sorted = calloc(n + 1, sizeof(struct worker *));
	struct status_rows rows = { .v = calloc(n + s->want + 1, sizeof(*rows.v)) };
	struct worker *w;
	unsigned slot = 0;

	if (!sorted || !rows.v) {
		free(rows.v);
		return -ENOMEM;
	}
	list_for_each (w, &s->workers, link)
		sorted[i++] = w;
	qsort(sorted, n, sizeof(struct worker *), by_slot);
	for (i = 0; i < n; i++) {
		if (sorted[i]->id > rows.newest)
			rows.newest = sorted[i]->id;
		for (; slot < s->want && slot <= sorted[i]->slot; slot++)
			if (status_slot_is_empty(s, slot))
				add_row(&rows, 0, slot);
		add_row(&rows, sorted[i]->id, sorted[i]->slot);
	}
	for (; slot < s->want; slot++)
		if (status_slot_is_empty(s, slot))
			add_row(&rows, 0, slot);
	*ret = rows;
	return 0;
}

void status_write_row(const struct service *s, const struct status_rows *rows, size_t i,
		      struct buf *out)
{
	const struct status_row *row = &rows->v[i];
	bool last = i + 1 == rows->n || rows->v[i + 1].slot != row->slot, any = false;
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->id == row->worker ||
		    (last && w->slot == row->slot && w->id > rows->newest)) {
			status_write_worker(w, out);
			any = true;
		}
	if (last && !any && status_slot_is_empty(s, row->slot))
		write_slot(s, row->slot, out);
}
