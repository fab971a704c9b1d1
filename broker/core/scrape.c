#include "scrape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "core/master.h"
#include "policy/address.h"
#include "sys/channel.h"
#include "sys/listener.h"
#include "sys/self.h"

/* --- the snapshot -------------------------------------------------------------------- */

static void take_process(const struct master *m, struct metrics_snapshot *s)
{
	struct self_usage usage;

	s->version = BROKER_VERSION;
	s->state = m->stopping != RUNNING ? METRICS_STOPPING
		   : m->ready		  ? METRICS_RUNNING
					  : METRICS_STARTING;
	s->reloads_refused = m->reloads_refused;
	s->start_unix_ms = m->started_unix_ms;
	self_usage(&usage);
	s->cpu_ns = usage.cpu_ns;
	s->rss_bytes = usage.rss_bytes;
	s->open_fds = usage.open_fds;
	s->max_fds = usage.max_fds;
}

static void take_listener(const struct listener *l, size_t service, struct metrics_listener *ret)
{
	struct listener_backlog backlog;
	STRBUF(address, sizeof(ret->address));

	address_format(&l->addr, &address);
	*ret = (struct metrics_listener){ .service = service, .accepted = l->accepted };
	memcpy(ret->address, address.text, address.len + 1);
	if (listener_get_backlog(l->fd, &backlog) < 0)
		return;
	ret->asked = true;
	ret->backlog = backlog.waiting;
	ret->backlog_limit = backlog.limit;
	ret->overflows = backlog.overflows;
}

/* What @w adds to its slot. Those that come later are newer. */
static void add_worker(struct worker *w, struct metrics_worker *ret)
{
	ret->state = w->state;
	ret->generation = w->generation;
	ret->taken += worker_taken(w);
	ret->waiting += worker_waiting(w);
}

static bool is_shown(const struct service *s, size_t slot)
{
	return slot < s->want || service_slot_has_process(s, (unsigned)slot);
}

static size_t count_slots(const struct service *s)
{
	size_t n = s->want;
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (w->slot >= n)
			n = w->slot + 1;
	return n;
}

static void take_workers(struct service *s, size_t service, struct metrics_snapshot *ret)
{
	struct metrics_worker *first = ret->workers + ret->n_workers;
	size_t n = count_slots(s), kept = 0;
	struct worker *w;

	for (size_t i = 0; i < n; i++) {
		first[i] = (struct metrics_worker){ .service = service, .state = WORKER_DEAD };
		first[i].taken = s->slots[i].taken_by_gone;
		snprintf(first[i].name, sizeof(first[i].name), "%s.%zu", service_name(s), i);
	}
	list_for_each (w, &s->workers, link)
		add_worker(w, &first[w->slot]);
	for (size_t i = 0; i < n; i++) {
		struct slot *slot = &s->slots[i];

		/* A worker that lies about its queue makes no counter shrink. */
		if (first[i].taken < slot->taken_said)
			first[i].taken = slot->taken_said;
		slot->taken_said = first[i].taken;
		if (is_shown(s, i))
			first[kept++] = first[i];
	}
	ret->n_workers += kept;
}

static void take_waits(struct service *s, struct histogram *ret)
{
	struct worker *w;
	struct channel *c;

	*ret = s->measured.waited;
	list_for_each (w, &s->workers, link)
		list_for_each (c, &w->channels, link) {
			channel_read_page(c);
			histogram_merge(ret, &c->waited);
		}
}

static void take_service(struct service *s, struct metrics_service *ret)
{
	const struct ledger *l = &s->ledger;
	const struct endpoint *e;
	const struct worker *w;

	*ret = (struct metrics_service){
		.accepted = l->accepted,
		.sent = l->sent,
		.taken_back = l->taken_back,
		.client_gone = l->client_gone,
		.refused = { [METRICS_REFUSED_NO_WORKER] = l->refused },
		.wanted = s->want,
		.generation = s->generation,
		.serving = service_is_serving(s),
		.reloads_done = s->measured.reloads_done,
		.reloads_aborted = s->measured.reloads_aborted,
		.handed = s->measured.handed,
		.started = s->measured.started,
		.reloads = s->measured.reloads,
	};
	snprintf(ret->name, sizeof(ret->name), "%s", service_name(s));
	list_for_each (e, &s->endpoints, link)
		ret->waiting_in_broker += e->n_pending;
	list_for_each (w, &s->workers, link) {
		ret->by_state[w->state]++;
		ret->waiting_in_channels += worker_waiting(w);
	}
	take_waits(s, &ret->waited);
	ret->taken = service_taken(s);
	if (ret->taken < s->measured.taken)
		ret->taken = s->measured.taken;
	s->measured.taken = ret->taken;
}

/* 0 or -ENOMEM. */
static int make_room(const struct master *m, struct metrics_snapshot *ret)
{
	size_t n_services = 0, n_listeners = 0, n_workers = 0;
	const struct service *s;

	list_for_each (s, &m->services, link) {
		n_services++;
		n_listeners += list_count(&s->listeners);
		n_workers += count_slots(s);
	}
	ret->services = calloc(n_services + 1, sizeof(*ret->services));
	ret->listeners = calloc(n_listeners + 1, sizeof(*ret->listeners));
	ret->workers = calloc(n_workers + 1, sizeof(*ret->workers));
	return ret->services && ret->listeners && ret->workers ? 0 : -ENOMEM;
}

static int take_snapshot(struct master *m, struct metrics_snapshot *ret)
{
	struct service *s;
	const struct listener *l;
	int r = make_room(m, ret);

	if (r < 0)
		return r;
	take_process(m, ret);
	list_for_each (s, &m->services, link) {
		size_t at = ret->n_services++;

		take_service(s, &ret->services[at]);
		list_for_each (l, &s->listeners, link)
			take_listener(l, at, &ret->listeners[ret->n_listeners++]);
		take_workers(s, at, ret);
	}
	return 0;
}

/* --- step by step -------------------------------------------------------------------- */

static void reset(struct scrape *s)
{
	loop_timer_disarm(&s->step);
	metrics_snapshot_deinit(&s->snapshot);
	buf_deinit(&s->text);
	s->family = 0;
	s->running = s->taken = false;
}

static void finish(struct scrape *s, bool good)
{
	struct list waiters = LIST_INIT(waiters);
	struct scrape_waiter *w;

	/* Who asks from now on asks for a new one. */
	while ((w = list_first(&s->waiters, struct scrape_waiter, link))) {
		list_remove(&w->link);
		list_append(&waiters, &w->link);
	}
	while ((w = list_first(&waiters, struct scrape_waiter, link))) {
		list_remove(&w->link);
		w->done(w, good ? &s->text : NULL);
	}
	reset(s);
}

static void step_expired(struct loop_timer *timer)
{
	struct scrape *s = container_of(timer, struct scrape, step);
	struct openmetrics om = { .out = &s->text };

	if (!s->taken) {
		if (take_snapshot(s->master, &s->snapshot) < 0) {
			finish(s, false);
			return;
		}
		s->taken = true;
	} else if (!metrics_write(&om, &s->snapshot, s->family++) || s->text.failed) {
		finish(s, !s->text.failed);
		return;
	}
	loop_timer_arm(&s->master->loop, &s->step, 0);
}

void scrape_want(struct scrape *s, struct scrape_waiter *w)
{
	list_append(&s->waiters, &w->link);
	if (s->running)
		return;
	s->running = true;
	loop_timer_arm(&s->master->loop, &s->step, 0);
}

void scrape_init(struct scrape *s, struct master *m)
{
	*s = (struct scrape){ .master = m, .text = BUF_INIT(METRICS_TEXT_MAX) };
	list_init(&s->waiters);
	loop_timer_init(&s->step, step_expired);
}

void scrape_deinit(struct scrape *s)
{
	while (!list_empty(&s->waiters))
		list_remove(s->waiters.next);
	reset(s);
}
