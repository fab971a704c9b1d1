#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "base/json.h"
#include "core/master.h"
#include "policy/address.h"
#include "policy/why.h"
#include "sys/listener.h"

#define SCHEMA 1

static int64_t now_of(const struct service *s)
{
	return loop_now(&s->master->loop);
}

static void add_time(struct buf *out)
{
	struct timeval now;
	char text[64];
	struct tm tm;

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(now.tv_usec / 1000));
	json_str(out, "time", text);
}

void status_write_broker(const struct master *m, struct buf *out)
{
	json_begin(out);
	json_str(out, "type", "broker");
	json_int(out, "schema", SCHEMA);
	json_str(out, "version", BROKER_VERSION);
	json_int(out, "pid", getpid());
	json_str(out, "state",
		 m->stopping != RUNNING ? "stopping"
		 : m->ready		? "running"
					: "starting");
	json_int(out, "uptime_ms", loop_now(&m->loop) - m->started_ms);
	add_time(out);
	json_str(out, "config", m->options.config_file);
	json_str(out, "run_dir", m->rundir.path);
	json_end(out);
}

/* --- a service ----------------------------------------------------------------------- */

struct ledger_sums status_add_up(const struct service *s)
{
	struct ledger_sums sums = { .taken = s->served_by_gone };
	const struct ledger *l = &s->ledger;
	const struct endpoint *e;
	const struct worker *w;
	const struct channel *c;

	list_for_each (w, &s->workers, link) {
		sums.taken += w->served;
		list_for_each (c, &w->channels, link) {
			/* Asked once: a worker takes some between two questions. */
			unsigned waiting = channel_backlog(c);

			sums.taken += c->sent - c->taken_back - waiting;
			sums.waiting += waiting;
		}
	}
	list_for_each (e, &s->endpoints, link)
		sums.waiting += e->n_pending;
	sums.balanced = l->accepted == sums.taken + sums.waiting + l->client_gone + l->refused;
	return sums;
}

static const char *service_state(const struct service *s)
{
	if (s->stopping)
		return "stopping";
	if (s->paused)
		return "paused";
	if (service_is_ready(s))
		return "serving";
	if (service_is_serving(s))
		return "starting";
	return s->backoff.failures ? "down" : "starting";
}

static const char *balance_name(enum conf_balance balance)
{
	switch (balance) {
	case BALANCE_ROUND_ROBIN:
		return "round-robin";
	case BALANCE_LEAST_CONNECTIONS:
		return "least-connections";
	case BALANCE_SOURCE:
		return "source";
	}
	return "?";
}

static unsigned count_ready(const struct service *s)
{
	const struct worker *w;
	unsigned n = 0;

	list_for_each (w, &s->workers, link)
		n += w->state == WORKER_READY && !w->guest;
	return n;
}

static void write_reload(const struct service *s, struct buf *out)
{
	STRBUF(waits, 512);

	if (!s->rollout.active) {
		json_null(out, "reload");
		return;
	}
	json_object(out, "reload");
	service_rollout_text(s, &waits);
	json_str(out, "kind", roll_kind_name(s->roll_kind));
	json_uint(out, "generation", s->target_generation);
	json_uint(out, "done", s->rollout.done);
	json_uint(out, "of", s->rollout.of);
	json_int(out, "ms", now_of(s) - s->rollout_began_ms);
	json_str(out, "waits_for", waits.len ? waits.text : NULL);
	json_close(out);
}

static void write_ledger(const struct service *s, struct buf *out)
{
	const struct ledger *l = &s->ledger;
	struct ledger_sums sums = status_add_up(s);

	json_object(out, "ledger");
	json_uint(out, "accepted", l->accepted);
	json_uint(out, "taken", sums.taken);
	json_uint(out, "waiting", sums.waiting);
	json_uint(out, "client_gone", l->client_gone);
	json_object(out, "refused");
	json_uint(out, "no-worker", l->refused - l->no_memory);
	json_uint(out, "no-memory", l->no_memory);
	json_close(out);
	json_bool(out, "balanced", sums.balanced);
	json_uint(out, "taken_back", l->taken_back);
	json_close(out);
}

static void write_service_line(const struct service *s, struct buf *out)
{
	json_begin(out);
	json_str(out, "type", "service");
	json_str(out, "service", service_name(s));
	json_uint(out, "generation", s->generation);
	json_uint(out, "workers", s->want);
	json_uint(out, "ready", count_ready(s));
	json_str(out, "state", service_state(s));
	json_str(out, "balance", balance_name(s->conf->balance));
	write_reload(s, out);
	if (service_rollback_left(s) >= 0)
		json_int(out, "rollback_ms", service_rollback_left(s));
	else
		json_null(out, "rollback_ms");
	write_ledger(s, out);
	json_end(out);
}

static const char *listener_state(const struct listener *l)
{
	if (l->closing)
		return "closing";
	if (!l->endpoint)
		return "unused";
	return l->endpoint->paused ? "paused" : "open";
}

static void write_listener(const struct listener *l, struct buf *out)
{
	struct listener_counts counts;
	STRBUF(text, 80);

	address_format(&l->addr, &text);
	json_begin(out);
	json_str(out, "type", "listener");
	json_str(out, "service", service_name(l->service));
	json_str(out, "address", text.text);
	json_uint(out, "app_port", l->app_port);
	json_bool(out, "automatic", l->automatic);
	json_str(out, "state", listener_state(l));
	if (listener_count(l->fd, &counts) == 0) {
		json_uint(out, "backlog", counts.backlog);
		json_uint(out, "backlog_max", counts.backlog_max);
		json_uint(out, "overflows", counts.overflows);
	} else {
		json_null(out, "backlog");
		json_null(out, "backlog_max");
		json_null(out, "overflows");
	}
	json_uint(out, "accepted", l->accepted);
	json_end(out);
}

/* --- a worker ------------------------------------------------------------------------ */

/* For how long it has taken nothing, of the channel where that is longest; 0: it is not stalled. */
static int64_t stalled_for(const struct worker *w, int64_t now)
{
	const struct channel *c;
	int64_t longest = 0;

	list_for_each (c, &w->channels, link)
		if (c->stalled && now - c->moved_ms > longest)
			longest = now - c->moved_ms;
	return longest;
}

static void list_missing(const struct worker *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!worker_listens_on(w, w->conf->listen[i].app_port))
			strbuf_addf(out, "%sport %u", out->len ? ", " : "",
				    w->conf->listen[i].app_port);
}

static void explain_worker(const struct worker *w, struct strbuf *out)
{
	const struct slot_trouble *trouble = worker_state_is_current(w->state) && !w->guest
						     ? service_trouble(w->service, w->slot)
						     : NULL;
	int64_t now = now_of(w->service);
	STRBUF(missing, 128);
	struct why_worker why = {
		.state = w->state,
		.state_ms = now - w->state_since_ms,
		.left_ms = worker_deadline_left(w),
		.stop_signal = worker_live_conf(w)->stop_signal,
		.open = w->found.round ? w->found.open : -1,
		.waiting = worker_waiting(w),
		.held_by_hand = w->held & HELD_BY_HAND,
		.held_by_debug = w->held & HELD_BY_DEBUG,
		.stopped = w->held & HELD_BY_STOP,
		.pinned_only = w->pinned_only,
		.stalled_ms = stalled_for(w, now),
		.tracer = w->found.tracer,
		.tracer_name = w->found.tracer_name,
		.missing = missing.text,
	};

	if (trouble) {
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
	json_str(out, "service", service_name(w->service));
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
	json_str(out, "state", worker_state_name(w->state));
	json_int(out, "state_ms", now_of(w->service) - w->state_since_ms);
	json_uint(out, "given", worker_taken(w));
	json_uint(out, "waiting", worker_waiting(w));
	write_findings(w, out);
	json_uint(out, "restarts", w->guest ? 0 : w->service->slots[w->slot].restarts);
	write_tracer(w, out);
	json_bool(out, "pinned_only", w->pinned_only);
	json_str(out, "why", why.text);
	json_end(out);
}

static void write_empty_slot(const struct service *s, unsigned slot, struct buf *out)
{
	int64_t left = backoff_wait(&s->backoff, now_of(s));
	const struct slot_trouble *trouble = service_trouble(s, slot);
	struct why_slot why = {
		.backoff_ms = left,
		.failures = trouble ? trouble->in_a_row : 0,
		.last_end = trouble ? trouble->words : NULL,
		.last_line = trouble ? trouble->last_output : NULL,
		.paused = s->paused,
		.others_start = !s->stopping,
	};
	char name[HANDOFF_SERVICE_SIZE + 16];
	STRBUF(text, 512);

	why_slot(&why, &text);
	snprintf(name, sizeof(name), "%s.%u", service_name(s), slot);
	json_begin(out);
	json_str(out, "type", "worker");
	json_str(out, "service", service_name(s));
	json_str(out, "worker", name);
	json_uint(out, "slot", slot);
	json_bool(out, "guest", false);
	json_null(out, "pid");
	json_uint(out, "generation", s->generation);
	json_str(out, "state", left > 0 ? "back-off" : "empty");
	json_int(out, "state_ms", 0);
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

static bool slot_is_empty(const struct service *s, unsigned slot)
{
	return !s->slots[slot].current && !s->slots[slot].next;
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
		for (; slot < s->want && slot <= sorted[i]->slot; slot++)
			if (slot_is_empty(s, slot))
				add_row(&rows, 0, slot);
		add_row(&rows, sorted[i]->id, sorted[i]->slot);
	}
	for (; slot < s->want; slot++)
		if (slot_is_empty(s, slot))
			add_row(&rows, 0, slot);
	*ret = rows;
	return 0;
}

/* What has changed since the rows were listed has its line the next time. */
void status_write_row(const struct service *s, const struct status_row *row, struct buf *out)
{
	const struct worker *w;

	if (!row->worker) {
		if (row->slot < s->want && slot_is_empty(s, row->slot))
			write_empty_slot(s, row->slot, out);
		return;
	}
	list_for_each (w, &s->workers, link)
		if (w->id == row->worker) {
			status_write_worker(w, out);
			return;
		}
}

void status_write_pins(const struct service *s, struct buf *out)
{
	for (size_t i = 0; i < s->pins.n; i++) {
		const struct pin *p = &s->pins.pin[i];
		STRBUF(source, 80);

		pin_source_format(&p->source, &source);
		json_begin(out);
		json_str(out, "type", "pin");
		json_str(out, "service", service_name(s));
		json_str(out, "source", p->source.family ? source.text : NULL);
		json_str(out, "worker", p->worker);
		json_str(out, "kind", pin_kind_name(p->kind));
		if (p->expires_ms)
			json_int(out, "expires_ms", p->expires_ms - now_of(s));
		else
			json_null(out, "expires_ms");
		json_end(out);
	}
}

void status_write_head(const struct service *s, struct buf *out)
{
	const struct listener *l;

	write_service_line(s, out);
	list_for_each (l, &s->listeners, link)
		write_listener(l, out);
}
