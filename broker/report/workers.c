#include "workers.h"

#include "base/address.h"
#include "base/json.h"
#include "dispatch/channel.h"
#include "policy/why.h"
#include "service/fill.h"
#include "service/listeners.h"
#include "worker/children.h"
#include "worker/clock.h"
#include "worker/explain.h"

/* --- a line -------------------------------------------------------------------------- */

/* A worker, or a slot that has none. */
struct row {
	const struct worker *worker; /* NULL: none */
	const char *name, *state;
	unsigned slot, generation, restarts, waiting;
	int64_t state_ms;   /* negative: not known */
	int64_t stalled_ms; /* has taken nothing for so long, while others did; 0: it does */
	uint64_t given;
	const char *backend;
};

static void write_row(const struct row *row, const char *why, struct strbuf *out)
{
	static const struct worker none;
	const struct worker *w = row->worker ? row->worker : &none;
	const struct worker_findings *f = &w->found;
	uint64_t oldest_ns;

	json_begin(out, "worker");
	json_bytes(out, "service", row->name, strcspn(row->name, "."));
	json_str(out, "worker", row->name);
	json_int_if(out, "slot", !w->guest, row->slot);
	json_bool(out, "guest", w->guest);
	json_int_if(out, "pid", w->pid != 0, w->pid);
	json_uint(out, "generation", row->generation);
	json_str(out, "backend", row->backend);
	json_str(out, "state", row->state);
	json_int_if(out, "state_ms", row->state_ms >= 0, row->state_ms);
	json_uint(out, "given", row->given);
	json_uint(out, "waiting", row->waiting);
	json_int_if(out, "open", f->round && f->open >= 0, f->open);
	if (row->worker && conf_forks(w->conf)) {
		unsigned running = worker_children_running(w, &oldest_ns);

		json_uint(out, "running", running);
		json_int_if(out, "oldest_ms", running > 0,
			    loop_now(worker_loop(w)) - (int64_t)(oldest_ns / NSEC_PER_MSEC));
	}
	json_uint(out, "ended_idle", w->ended_idle);
	json_uint(out, "moved", w->moved_away);
	json_int_if(out, "rss_bytes", f->round, (long long)f->rss_bytes);
	json_int_if(out, "cpu_ms", f->round, (long long)f->cpu_ms);
	json_uint(out, "restarts", row->restarts);
	if (f->tracer) {
		json_object(out, "tracer");
		json_int(out, "pid", f->tracer);
		json_str(out, "name", f->tracer_name.text);
		json_close(out);
	} else {
		json_str(out, "tracer", NULL);
	}
	json_int_if(out, "stalled_ms", row->stalled_ms > 0, row->stalled_ms);
	json_bool(out, "pinned_only", w->pinned_only);
	json_str(out, "why", why);
	json_end(out);
}

/* --- a worker ------------------------------------------------------------------------ */

static void explain_worker(const struct worker *w, const struct row *row, struct strbuf *out)
{
	const struct endpoint *others = NULL;
	STRBUF(missing, 128);
	struct why_worker why = {
		.state = w->state,
		.state_ms = row->state_ms,
		.left_ms = worker_deadline_left(w),
		.stop_signal = w->terms->live->stop_signal,
		.open = w->found.round ? w->found.open : -1,
		.waiting = row->waiting,
		.ended_idle = w->ended_idle,
		.moved = w->moved_away,
		.held = w->held,
		.check = w->check.why,
		.check_failures = w->check.health.failed,
		.pinned_only = w->pinned_only,
		.stalled_ms = row->stalled_ms,
		.debugged = worker_is_found_debugged(w),
		.tracer = w->found.tracer,
		.tracer_name = w->found.tracer_name.text,
		.missing = missing.text,
		.now_ms = loop_now(service_loop(service_of(w))),
	};

	/* What a rollout has started does not replace one that has failed. */
	if (worker_state_is_current(w->state) && !w->guest && !w->rollout_number)
		why.trouble = service_trouble(service_of(w), w->slot);
	if (w->state == WORKER_STARTING)
		worker_add_missing(w, "", &missing);
	else if (w->state == WORKER_READY && !w->guest)
		others = service_endpoint_of_others(w);
	/* Some apps take the next port if theirs is taken. */
	if (others)
		strbuf_add(&missing, address_text(&others->app_addr).text);
	why_worker(&why, out);
}

void worker_write(const struct worker *w, struct strbuf *out)
{
	int64_t now = loop_now(service_loop(service_of(w))), since = taker_stalled_since(&w->taker);
	struct row row = {
		.worker = w,
		.name = w->name,
		.state = worker_state_names[w->state],
		.slot = w->slot,
		.generation = w->generation,
		.restarts = w->guest ? 0 : service_of(w)->slots[w->slot].restarts,
		.state_ms = now - w->state_since_ms,
		.stalled_ms = since ? now - since : 0,
		.given = w->served,
	};
	STRBUF(why, 512);

	list_for_each (const struct channel, c, &w->taker.channels, link) {
		/* Asked once: a worker takes some between two questions. */
		unsigned waiting = channel_backlog(c);

		row.backend = channel_backend(c);
		row.waiting += waiting;
		row.given += channel_taken(c, waiting);
	}
	explain_worker(w, &row, &why);
	write_row(&row, why.text, out);
}

/* --- a slot without a worker --------------------------------------------------------- */

bool slot_is_empty(const struct service *s, unsigned slot)
{
	return slot < s->want && !s->slots[slot].current && !s->slots[slot].next;
}

void slot_explain(const struct service *s, unsigned slot, struct strbuf *out)
{
	struct why_slot why = {
		.backoff_ms = backoff_wait(&s->backoff, loop_now(service_loop(s))),
		.trouble = service_trouble(s, slot),
		.service = service_name(s),
		.asleep = s->conf->wait && !backoff_wait(&s->backoff, loop_now(service_loop(s))),
		.paused = s->dispatch.paused,
		.stopped = service_is_stopped(s),
		.stopping = s->dispatch.stopping,
	};

	why_slot(&why, out);
}

static void write_slot(const struct service *s, unsigned slot, struct strbuf *out)
{
	int64_t now = loop_now(service_loop(s));
	bool waits = !service_leaves(s) && backoff_wait(&s->backoff, now) > 0;
	int64_t since = waits ? s->last_failure_ms : s->slots[slot].left_ms;
	STRBUF(name, PIN_WORKER_SIZE);
	STRBUF(why, 512);

	strbuf_addf(&name, "%s.%u", service_name(s), slot);
	slot_explain(s, slot, &why);
	write_row(&(struct row){ .name = name.text,
				 .state = waits		  ? "back-off"
					  : s->conf->wait ? "waiting"
							  : "empty",
				 .slot = slot,
				 .generation = s->generation,
				 .restarts = s->slots[slot].restarts,
				 .state_ms = since ? now - since : -1 },
		  why.text, out);
}

/* --- the lines of a service, in order ------------------------------------------------ */

struct place {
	uint64_t order[3];	     /* slot, generation, id of the worker */
	const struct worker *worker; /* NULL: nobody is in the slot */
};

static int by_order(const void *a, const void *b)
{
	const uint64_t *x = ((const struct place *)a)->order, *y = ((const struct place *)b)->order;
	size_t i = 0;

	while (i < 2 && x[i] == y[i])
		i++;
	return x[i] < y[i] ? -1 : x[i] > y[i];
}

int workers_write(const struct service *s, unsigned first, unsigned last, struct strbuf *out)
{
	_cleanup_free_ struct place *places =
		calloc(list_count(&s->workers) + s->want + 1, sizeof(*places));
	size_t n = 0;

	if (!places)
		return -ENOMEM;
	list_for_each (const struct worker, w, &s->workers, link)
		if (w->slot >= first && w->slot <= last)
			places[n++] = (struct place){ { w->slot, w->generation, w->id }, w };
	for (unsigned slot = first; slot <= last && slot < s->want; slot++)
		if (slot_is_empty(s, slot))
			places[n++] = (struct place){ { slot, s->generation, UINT64_MAX }, NULL };
	qsort(places, n, sizeof(*places), by_order);
	for (size_t i = 0; i < n; i++)
		if (places[i].worker)
			worker_write(places[i].worker, out);
		else
			write_slot(s, (unsigned)places[i].order[0], out);
	return 0;
}
