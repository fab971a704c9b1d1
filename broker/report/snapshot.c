#include "snapshot.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/address.h"
#include "dispatch/channel.h"
#include "master/master.h"
#include "sys/proc.h"
#include "sys/tcp.h"

static void take_process(const struct master *m, struct metrics_snapshot *s)
{
	struct rlimit nofile = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &nofile);
	s->version = BROKER_VERSION;
	s->state = m->broker.stopping ? METRICS_STOPPING
		   : m->ready	      ? METRICS_RUNNING
				      : METRICS_STARTING;
	s->reloads_refused = m->reloads_refused;
	s->start_unix_ms = m->started_unix_ms;
	s->cpu_ns = loop_cpu_ns() + m->broker.hand->cpu_before_ns;
	s->rss_bytes = proc_stat(getpid()).rss_bytes;
	s->open_fds = proc_count_own_fds();
	s->max_fds = nofile.rlim_cur;
	s->turns = m->broker.loop.turns.took;
}

/* A counter must not shrink, whatever a worker says or the kernel forgets. */
static uint64_t never_less(uint64_t now, uint64_t *said)
{
	if (now > *said)
		*said = now;
	return *said;
}

/* What @w adds to its service and its slot; those that come later are newer. */
static void add_worker(const struct worker *w, struct metrics_service *service,
		       struct metrics_worker *slot)
{
	uint64_t taken = w->served;

	/* A guest is not one of those that are wanted. */
	service->by_state[w->state] += !w->guest;
	slot->state = w->state;
	slot->up = w->state == WORKER_READY;
	slot->stalled = slot->up && taker_stalled_since(&w->taker);
	slot->checked = w->conf->check && !w->guest;
	slot->well = w->check.health.state == HEALTH_WELL;
	slot->exists = true;
	slot->generation = w->generation;
	list_for_each (struct channel, c, &w->taker.channels, link) {
		unsigned waiting = channel_look(c);

		taken += channel_taken(c, waiting);
		service->waiting[METRICS_IN_CHANNELS] += waiting;
		slot->waiting += waiting;
		histogram_merge(&service->waited, &c->waited);
	}
	service->taken += taken;
	slot->taken += taken;
	if (!w->found.round)
		return;
	slot->open_found = w->found.open >= 0 && (slot->open_found || !slot->found); /* of all */
	slot->found = true;
	slot->rss_bytes += w->found.rss_bytes;
	slot->cpu_ms += w->found.cpu_ms;
	slot->open += w->found.open < 0 ? 0 : (uint64_t)w->found.open;
}

static size_t count_slots(const struct service *s)
{
	size_t n = s->want;

	list_for_each (const struct worker, w, &s->workers, link)
		if (!w->guest && w->slot >= n)
			n = w->slot + 1;
	return n;
}

static void hold_counters(struct metrics_worker *to, struct slot_measured *said)
{
	to->taken = never_less(to->taken, &said->taken);
	to->cpu_ms = never_less(to->cpu_ms, &said->cpu_ms);
}

static void take_workers(struct service *s, struct metrics_service *service,
			 struct metrics_snapshot *ret)
{
	struct metrics_worker *first = ret->workers + ret->n_workers, *record;
	size_t n_slots = count_slots(s), n = n_slots, kept = 0;

	for (size_t i = 0; i < n_slots; i++) {
		first[i] = (struct metrics_worker){
			.state = WORKER_DEAD,
			.taken = s->slots[i].measured.taken_by_gone,
			.cpu_ms = s->slots[i].measured.cpu_ms_by_gone,
		};
		snprintf(first[i].labels, METRICS_LABELS_SIZE, "service=\"%s\",worker=\"%s.%zu\"",
			 service_name(s), service_name(s), i);
	}
	list_for_each (struct worker, w, &s->workers, link) {
		record = &first[w->guest ? n++ : w->slot];
		if (w->guest) {
			*record = (struct metrics_worker){ .labels = "" };
			snprintf(record->labels, METRICS_LABELS_SIZE,
				 "service=\"%s\",worker=\"%s\"", service_name(s), w->name);
		}
		add_worker(w, service, record);
		/* A guest's number is never used again, so its counters need not outlive it. */
		if (w->guest)
			hold_counters(record, &w->measured);
	}
	for (size_t i = 0; i < n_slots; i++)
		hold_counters(&first[i], &s->slots[i].measured);
	/* A slot that is not wanted any more is shown until it is empty. */
	for (size_t i = 0; i < n; i++)
		if (i < s->want || first[i].state != WORKER_DEAD)
			first[kept++] = first[i];
	ret->n_workers += kept;
}

static void take_service(struct service *s, struct metrics_snapshot *ret)
{
	struct metrics_service *to = &ret->services[ret->n_services++];
	const struct ledger *l = &s->dispatch.ledger;

	*to = (struct metrics_service){
		.kept = s->kept,
		.ledger = *l,
		.taken = s->served_by_gone,
		.ended_idle = s->measured.ended_idle,
		.moved = s->dispatch.moved,
		.refused = { [METRICS_NO_WORKER] = l->refused - l->no_memory,
			     [METRICS_NO_MEMORY] = l->no_memory },
		.serving = service_is_serving(s),
		.reloads_ended = { [METRICS_DONE] = s->reloads_done,
				   [METRICS_ABORTED] = s->reloads_aborted },
		.handed = s->dispatch.handed,
		.waited = s->dispatch.waited,
		.started = s->terms.started,
		.reloads = s->measured.reloads,
		.inetd = conf_forks(s->conf),
		.in_use = s->dispatch.in_use,
		.limit = s->dispatch.limit,
		.lasted = s->terms.lasted,
	};
	memcpy(to->ends, s->terms.ends, sizeof(to->ends));
	snprintf(to->labels, sizeof(to->labels), "service=\"%s\"", service_name(s));
	list_for_each (const struct endpoint, e, &s->dispatch.endpoints, link)
		to->waiting[METRICS_IN_BROKER] += e->n_pending;
	take_workers(s, to, ret);
	to->taken_now = to->taken;
	to->balanced = l->accepted + to->moved == to->taken_now + to->waiting[METRICS_IN_BROKER] +
							  to->waiting[METRICS_IN_CHANNELS] +
							  l->client_gone + l->refused;
	to->taken = never_less(to->taken, &s->measured.taken);
	list_for_each (const struct listener, listener, &s->dispatch.listeners, link) {
		struct metrics_listener *numbers = &ret->listeners[ret->n_listeners++];

		numbers->accepted = listener->accepted;
		snprintf(numbers->labels, sizeof(numbers->labels), "service=\"%s\",address=\"%s\"",
			 service_name(s), address_text(&listener->addr).text);
		tcp_count(listener->fd, numbers);
	}
}

int snapshot_take(const struct master *m, struct metrics_snapshot *ret)
{
	size_t n_services = 0, n_listeners = 0, n_workers = 0;

	list_for_each (const struct service, s, &m->broker.services, link) {
		n_services++;
		n_listeners += list_count(&s->dispatch.listeners);
		n_workers += count_slots(s) + list_count(&s->workers);
	}
	ret->services = calloc(n_services + 1, sizeof(*ret->services));
	ret->listeners = calloc(n_listeners + 1, sizeof(*ret->listeners));
	ret->workers = calloc(n_workers + 1, sizeof(*ret->workers));
	if (!ret->services || !ret->listeners || !ret->workers)
		return -ENOMEM;
	take_process(m, ret);
	list_for_each (struct service, s, &m->broker.services, link)
		take_service(s, ret);
	return 0;
}

/* --- the text of all of them ------------------------------------------------------------- */

static void reset(struct scrape *s)
{
	loop_timer_disarm(&s->step);
	metrics_snapshot_deinit(&s->snapshot);
	strbuf_deinit(&s->text);
	s->family = 0;
	s->running = false;
}

static void finish(struct scrape *s, bool good)
{
	struct scrape_waiter *w;

	while ((w = list_first(&s->waiters, struct scrape_waiter, link))) {
		list_remove(&w->link);
		w->done(w, good ? &s->text : NULL);
	}
	reset(s);
}

static void surveyed(struct survey_waiter *w)
{
	struct scrape *s = container_of(w, struct scrape, waiter);

	if (snapshot_take(s->master, &s->snapshot) < 0)
		finish(s, false);
	else
		loop_timer_arm(&s->master->broker.loop, &s->step, 0);
}

static void step_expired(struct loop_timer *timer)
{
	struct scrape *s = container_of(timer, struct scrape, step);

	if (!metrics_write(&s->text, s->classic, &s->snapshot, s->family++) || s->text.cut)
		finish(s, !s->text.cut);
	else
		loop_timer_arm(&s->master->broker.loop, timer, 0);
}

void scrape_want(struct scrape *s, struct scrape_waiter *w)
{
	list_append(&s->waiters, &w->link);
	if (s->running)
		return;
	s->running = true;
	survey_want(s->survey, &s->waiter);
}

void scrape_init(struct scrape *s, struct master *m, struct survey *survey, bool classic)
{
	*s = (struct scrape){ .master = m,
			      .survey = survey,
			      .classic = classic,
			      .text = STRBUF_GROWS(METRICS_TEXT_MAX) };
	list_init(&s->waiters);
	list_init(&s->waiter.link);
	s->waiter.done = surveyed;
	loop_timer_init(&s->step, step_expired);
}

void scrape_deinit(struct scrape *s)
{
	list_remove(&s->waiter.link);
	reset(s);
}
