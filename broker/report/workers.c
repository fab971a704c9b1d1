#include "workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/address.h"
#include "base/json.h"
#include "dispatch/channel.h"
#include "dispatch/taker.h"
#include "policy/why.h"
#include "service/fill.h"
#include "service/listeners.h"
#include "worker/clock.h"

/* --- a worker ------------------------------------------------------------------------ */

static void list_missing(const struct worker *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!taker_listens_on(&w->taker, w->conf->listen[i].app_port))
			strbuf_addf(out, "%sport %u", out->len ? ", " : "",
				    w->conf->listen[i].app_port);
}

/* Some apps take the next port if theirs is taken: then it is not the same one for all workers. */
static void add_port_of_others(const struct worker *w, struct strbuf *out)
{
	const struct endpoint *e = w->guest ? NULL : service_endpoint_of_others(w);

	if (e)
		strbuf_add(out, address_text(&e->app_addr).text);
}

static void explain_worker(const struct worker *w, const struct worker_row *row, struct strbuf *out)
{
	/* What a rollout has started does not replace one that has failed. */
	const struct slot_trouble *trouble =
		worker_state_is_current(w->state) && !w->guest && !w->rollout_number
			? service_trouble(service_of(w), w->slot)
			: NULL;
	STRBUF(missing, 128);
	struct why_worker why = {
		.state = w->state,
		.state_ms = row->state_ms,
		.left_ms = worker_deadline_left(w),
		.stop_signal = w->terms->live->stop_signal,
		.open = w->found.round ? w->found.open : -1,
		.waiting = row->waiting,
		.ended_idle = w->ended_idle,
		.held_by_hand = w->held & HELD_BY_HAND,
		.held_as_hung = w->held & HELD_AS_HUNG,
		.held_by_check = w->held & HELD_BY_CHECK,
		.check = w->check.why,
		.check_failures = w->check.health.failed,
		.held_by_debug = w->held & HELD_BY_DEBUG,
		.stopped = w->held & HELD_BY_STOP,
		.pinned_only = w->pinned_only,
		.stalled_ms = row->stalled_ms,
		.debugged = worker_is_found_debugged(w),
		.tracer = w->found.tracer,
		.tracer_name = w->found.tracer_name.text,
		.missing = missing.text,
	};

	if (trouble) {
		why.failures = trouble->in_a_row;
		why.last_end = trouble->words;
		why.last_end_ms = loop_now(service_loop(service_of(w))) - trouble->at_ms;
	}
	if (w->state == WORKER_STARTING)
		list_missing(w, &missing);
	else if (w->state == WORKER_READY)
		add_port_of_others(w, &missing);
	why_worker(&why, out);
}

static void take_worker(const struct worker *w, struct worker_row *ret)
{
	int64_t now = loop_now(service_loop(service_of(w))), since;
	const struct channel *c;
	struct strbuf why;

	*ret = (struct worker_row){
		.id = w->id,
		.slot = w->slot,
		.generation = w->generation,
		.restarts = w->guest ? 0 : service_of(w)->slots[w->slot].restarts,
		.guest = w->guest,
		.pinned_only = w->pinned_only,
		.pid = w->pid,
		.state = worker_state_names[w->state],
		.state_ms = now - w->state_since_ms,
		.given = w->served,
		.ended_idle = w->ended_idle,
		.found = w->found,
	};
	memcpy(ret->name, w->name, sizeof(ret->name));
	list_for_each (c, &w->taker.channels, link) {
		/* Asked once: a worker takes some between two questions. */
		unsigned waiting = channel_backlog(c);

		ret->waiting += waiting;
		ret->given += channel_taken(c, waiting);
	}
	since = taker_stalled_since(&w->taker);
	ret->stalled_ms = since ? now - since : 0;
	strbuf_init(&why, ret->why, sizeof(ret->why));
	explain_worker(w, ret, &why);
}

/* --- a slot without a worker --------------------------------------------------------- */

bool slot_is_empty(const struct service *s, unsigned slot)
{
	return slot < s->want && !s->slots[slot].current && !s->slots[slot].next;
}

void slot_explain(const struct service *s, unsigned slot, struct strbuf *out)
{
	const struct slot_trouble *trouble = service_trouble(s, slot);
	struct why_slot why = {
		.backoff_ms = backoff_wait(&s->backoff, loop_now(service_loop(s))),
		.failures = trouble ? trouble->in_a_row : 0,
		.last_end = trouble ? trouble->words : NULL,
		.last_line = trouble ? trouble->last_output : NULL,
		.service = service_name(s),
		.paused = s->dispatch.paused,
		.stopped = service_is_stopped(s),
		.stopping = s->dispatch.stopping,
	};

	why_slot(&why, out);
}

static void take_slot(const struct service *s, unsigned slot, struct worker_row *ret)
{
	int64_t now = loop_now(service_loop(s));
	bool waits = !service_leaves(s) && backoff_wait(&s->backoff, now) > 0;
	int64_t since = waits ? s->last_failure_ms : s->slots[slot].left_ms;
	struct strbuf name, why;

	*ret = (struct worker_row){
		.slot = slot,
		.generation = s->generation,
		.restarts = s->slots[slot].restarts,
		.state = waits ? "back-off" : "empty",
		.state_ms = since ? now - since : -1,
	};
	strbuf_init(&name, ret->name, sizeof(ret->name));
	strbuf_addf(&name, "%s.%u", service_name(s), slot);
	strbuf_init(&why, ret->why, sizeof(ret->why));
	slot_explain(s, slot, &why);
}

/* --- the rows of a service, in order ------------------------------------------------- */

static int by_slot(const void *a, const void *b)
{
	const struct worker_row *x = a, *y = b;

	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

int worker_rows_add(struct worker_rows *rows, const struct service *s)
{
	size_t first = rows->n, room = first + list_count(&s->workers) + s->want;
	struct worker_row *v = reallocarray(rows->v, room, sizeof(*v));
	const struct worker *w;

	if (!v)
		return -ENOMEM;
	rows->v = v;
	list_for_each (w, &s->workers, link)
		take_worker(w, &v[rows->n++]);
	for (unsigned slot = 0; slot < s->want; slot++)
		if (slot_is_empty(s, slot))
			take_slot(s, slot, &v[rows->n++]);
	qsort(v + first, rows->n - first, sizeof(*v), by_slot);
	return 0;
}

void worker_row_write(const struct worker_row *row, struct buf *out)
{
	const struct worker_findings *f = &row->found;

	json_begin(out, "worker");
	json_bytes(out, "service", row->name, strcspn(row->name, "."));
	json_str(out, "worker", row->name);
	json_int_if(out, "slot", !row->guest, row->slot);
	json_bool(out, "guest", row->guest);
	json_int_if(out, "pid", row->pid != 0, row->pid);
	json_uint(out, "generation", row->generation);
	json_str(out, "state", row->state);
	json_int_if(out, "state_ms", row->state_ms >= 0, row->state_ms);
	json_uint(out, "given", row->given);
	json_uint(out, "waiting", row->waiting);
	json_int_if(out, "open", f->round && f->open >= 0, f->open);
	json_uint(out, "ended_idle", row->ended_idle);
	json_int_if(out, "rss_bytes", f->round, (long long)f->rss_bytes);
	json_int_if(out, "cpu_ms", f->round, (long long)f->cpu_ms);
	json_uint(out, "restarts", row->restarts);
	if (f->tracer) {
		json_object(out, "tracer");
		json_int(out, "pid", f->tracer);
		json_str(out, "name", f->tracer_name.text);
		json_close(out);
	} else {
		json_null(out, "tracer");
	}
	json_int_if(out, "stalled_ms", row->stalled_ms > 0, row->stalled_ms);
	json_bool(out, "pinned_only", row->pinned_only);
	json_str(out, "why", row->why);
	json_end(out);
}
