#include "master/adopt.h"

#include <sys/param.h>
#include "base/paths.h"
#include "dispatch/adopt.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/pending.h"
#include "service/in_force.h"
#include "service/life.h"
#include "service/listeners.h"
#include "service/pin.h"
#include "service/recycle.h"
#include "worker/adopt.h"

/* --- configurations ---------------------------------------------------------------------- */

static int adopt_conf(struct adoption *a, const char *bytes, size_t size, struct strbuf *error)
{
	struct conf *conf;
	int r;

	if (!array_grow_bytes((void **)&a->confs, a->n_confs, sizeof(void *)))
		return -ENOMEM;
	r = conf_unkeep(bytes, size, a->command, &conf, error);
	if (r == 0)
		a->confs[a->n_confs++] = conf;
	return r;
}

static int adopt_names(struct adoption *a, const void *record, size_t size)
{
	struct conf_names *names = malloc(size);

	if (!names || !a->n_confs) {
		free(names);
		return names ? -EPROTO : -ENOMEM;
	}
	memcpy(names, record, size);
	names->refs = 1;
	conf_set_names(a->confs[a->n_confs - 1], names);
	conf_names_unref(names);
	return 0;
}

static int adopt_service_conf(struct adoption *a, const char *bytes, size_t size)
{
	struct service_conf *sc = service_conf_unkeep(bytes, size, a->confs, a->n_confs);

	if (!array_grow_bytes((void **)&a->service_confs, a->n_service_confs, sizeof(void *)))
		return -ENOMEM;
	a->service_confs[a->n_service_confs++] = sc;
	return sc ? 0 : -EPROTO;
}

static int adopt_master(struct adoption *a, const struct kept_master *k)
{
	struct master *m = a->master;

	if (k->conf_number - 1 >= a->n_confs || k->conf_start_number - 1 >= a->n_confs)
		return -EPROTO;
	m->kept = *k;
	m->conf = a->confs[k->conf_number - 1];
	m->conf_start = a->confs[k->conf_start_number - 1];
	return 0;
}

static int adopt_path(const char *name, struct strbuf *error)
{
	uint16_t number;

	return paths_number(name, &number, error);
}

int master_adopt_conf(struct adoption *a, enum kept_kind kind, const void *record, size_t size,
		      struct strbuf *error)
{
	switch (kind) {
	case KEPT_PATH:
		return adopt_path(record, error);
	case KEPT_CONF:
		return adopt_conf(a, record, size, error);
	case KEPT_NAMES:
		return adopt_names(a, record, size);
	case KEPT_SERVICE_CONF:
		return adopt_service_conf(a, record, size);
	case KEPT_MASTER:
		return adopt_master(a, record);
	default:
		return 0;
	}
}

/* Another reference to that of @number; NULL: it is 0. */
static struct service_conf *conf_of(const struct adoption *a, uint32_t number)
{
	return number ? service_conf_ref(a->service_confs[number - 1]) : NULL;
}

/* --- services ---------------------------------------------------------------------------- */

static int adopt_service(struct adoption *a, const struct kept_service *k)
{
	struct broker *b = &a->master->broker;
	struct service *s;
	const uint32_t numbers[] = { k->conf_number, k->target_number, k->after_number,
				     k->rollback_number };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (numbers[i] > a->n_service_confs || !numbers[0])
			return -EPROTO;
	s = service_new(b, a->service_confs[k->conf_number - 1]);
	if (!s)
		return -ENOMEM;
	s->kept = *k;
	s->target = conf_of(a, k->target_number);
	s->after = conf_of(a, k->after_number);
	s->rollback.conf = conf_of(a, k->rollback_number);
	s->rollback.generation = k->rollback_generation;
	s->rollback.want = k->rollback_want;
	loop_timer_resume(&b->loop, &s->rollback.over, k->window_at_ms);
	loop_timer_resume(&b->loop, &s->probation, k->probation_at_ms);
	service_rearm(s);
	a->service = s;
	a->worker = NULL;
	a->endpoint = NULL;
	a->n_slots = 0;
	return 0;
}

static int adopt_rollout(struct service *s, const void *record, size_t size)
{
	memcpy(&s->rollout, record, MIN(size, sizeof(s->rollout)));
	return s->rollout.first + s->rollout.of <= ROLLOUT_MAX ? 0 : -EPROTO;
}

static int adopt_pin(struct service *s, const struct kept_pin *k)
{
	struct pin pin = { .way = NULL }, old;

	memcpy(&pin, k, sizeof(*k));
	return pins_add(&s->dispatch.pins, &pin, &old);
}

static int adopt_worker(struct adoption *a, const struct kept_worker *k)
{
	struct service *s = a->service;
	struct worker *w;

	if (k->conf_number - 1 >= a->n_service_confs || (!k->guest && k->slot >= ROLLOUT_MAX))
		return -EPROTO;
	w = worker_adopt(&s->terms, a->service_confs[k->conf_number - 1], k);
	if (!w)
		return -ENOMEM;
	recycle_resume(w);
	list_append(&s->workers, &w->link);
	if (k->place == PLACE_CURRENT)
		s->slots[w->slot].current = w;
	else if (k->place == PLACE_NEXT)
		s->slots[w->slot].next = w;
	a->worker = w;
	return 0;
}

/* --- what it dispatches ------------------------------------------------------------------ */

static int adopt_endpoint(struct adoption *a, const struct kept_endpoint *k)
{
	a->endpoint = endpoint_new(&a->service->dispatch, &k->app_addr);
	if (!a->endpoint)
		return -ENOMEM;
	a->endpoint->kept = *k;
	/* The channels of an endpoint come in the order of the workers. */
	a->worker = NULL;
	return 0;
}

/* The worker with @id: the next one after the last, mostly. */
static struct worker *find_worker(const struct adoption *a, uint64_t id)
{
	struct list *all = &a->service->workers;
	struct list *first = a->worker ? &a->worker->link : all, *at = first;

	do {
		struct worker *w = container_of(at, struct worker, link);

		if (at != all && w->id == id)
			return w;
		at = at->next;
	} while (at != first);
	return NULL;
}

static int adopt_channel(struct adoption *a, const struct kept_channel *k)
{
	struct worker *w = find_worker(a, k->worker);

	if (!w)
		return -EPROTO;
	a->worker = w;
	return channel_adopt(&w->taker, a->endpoint, k, &a->channel);
}

static int adopt_of_endpoint(struct adoption *a, enum kept_kind kind, const void *record)
{
	const struct kept_pending *p = record;
	const struct kept_holder *h = record;

	if (!a->endpoint)
		return -EPROTO;
	if (kind == KEPT_PENDING)
		pending_add(a->endpoint, &p->conn, p->fd, p->ahead);
	else if (kind == KEPT_CHANNEL)
		return adopt_channel(a, record);
	else
		return a->channel ? channel_add_holder(a->channel, h->fd, h->pid) : -EPROTO;
	return 0;
}

static int adopt_of_service(struct adoption *a, enum kept_kind kind, const void *record,
			    size_t size)
{
	struct service *s = a->service;

	if (!s)
		return -EPROTO;
	switch (kind) {
	case KEPT_DISPATCH:
		memcpy(&s->dispatch.kept, record, sizeof(s->dispatch.kept));
		return 0;
	case KEPT_TERMS:
		memcpy(&s->terms.kept, record, sizeof(s->terms.kept));
		return 0;
	case KEPT_ROLLOUT:
		return adopt_rollout(s, record, size);
	case KEPT_SLOT:
		if (a->n_slots == ROLLOUT_MAX)
			return -EPROTO;
		memcpy(&s->slots[a->n_slots++].kept, record, sizeof(s->slots[0].kept));
		return 0;
	case KEPT_TROUBLE:
		if (!a->n_slots)
			return -EPROTO;
		memcpy(&s->troubles[a->n_slots - 1], record, sizeof(s->troubles[0]));
		return 0;
	case KEPT_PIN:
		return adopt_pin(s, record);
	case KEPT_WORKER:
		return adopt_worker(a, record);
	case KEPT_KIN:
	case KEPT_OUTPUT:
	case KEPT_REFUSAL:
		return a->worker ? worker_adopt_text(a->worker, kind, record, size) : -EPROTO;
	case KEPT_LISTENER:
		return listener_adopt(&s->dispatch, a->endpoint, record) ? 0 : -ENOMEM;
	case KEPT_ENDPOINT:
		return adopt_endpoint(a, record);
	default:
		return adopt_of_endpoint(a, kind, record);
	}
}

int master_adopt(struct adoption *a, enum kept_kind kind, const void *record, size_t size,
		 struct strbuf *error)
{
	int r = 0;

	if (kind == KEPT_BROKER)
		memcpy(&a->broker, record, sizeof(a->broker));
	else if (kind == KEPT_SERVICE)
		r = adopt_service(a, record);
	else if (kind == KEPT_DISPATCH || kind == KEPT_TERMS || kind == KEPT_ROLLOUT ||
		 kind == KEPT_TROUBLE || (kind >= KEPT_SLOT && kind <= KEPT_HOLDER) ||
		 (kind >= KEPT_KIN && kind <= KEPT_REFUSAL))
		r = adopt_of_service(a, kind, record, size);
	return r < 0 ? strbuf_fail(error, r, "a %s cannot be adopted: %m", kept_kind_names[kind])
		     : 0;
}

/* What was under way goes on, and what may have come meanwhile is looked for. */
static void resume(struct service *s)
{
	bool closes = s->closing || s->handover_until_ms;

	list_for_each (const struct listener, l, &s->dispatch.listeners, link)
		closes = closes || l->closing;
	if (closes)
		loop_timer_arm(service_loop(s), &s->closing_timer, 0);
	service_pin_expired(&s->pin_timer);
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		endpoint_wake(e);
	service_settle_soon(s);
}

void master_adopted(struct adoption *a)
{
	struct master *m = a->master;

	m->broker.kept = a->broker;
	list_for_each (struct service, s, &m->broker.services, link)
		resume(s);
	broker_watch(&m->broker);
	broker_tidy(&m->broker);
	for (size_t i = 0; i < a->n_confs; i++)
		if (a->confs[i] != m->conf && a->confs[i] != m->conf_start)
			conf_free(a->confs[i]);
	free(a->confs);
	free(a->service_confs);
}
