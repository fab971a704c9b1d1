#include "demand.h"

#include <poll.h>
#include "dispatch/listener.h"
#include "dispatch/taker.h"
#include "policy/demand.h"
#include "sys/log.h"
#include "worker/words.h"

static bool is_readable(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return !l->bound_only && !l->closing && poll(&p, 1, 0) > 0;
}

static bool clients_wait(const struct service *s)
{
	return list_find(const struct endpoint, e, &s->dispatch.endpoints, link, e->n_pending) ||
	       list_find(const struct listener, l, &s->dispatch.listeners, link, is_readable(l));
}

/* No endpoint that is served takes a client now. */
static bool is_full(const struct service *s)
{
	return list_find(const struct endpoint, e, &s->dispatch.endpoints, link, e->n_channels) &&
	       !list_find(const struct endpoint, e, &s->dispatch.endpoints, link,
			  e->n_channels && !e->paused);
}

static void set_asleep(struct dispatch *d, bool asleep)
{
	d->asleep = asleep;
	list_for_each (struct listener, l, &d->listeners, link)
		listener_arm(l);
}

void service_wanted(struct dispatch *d)
{
	if (d->asleep)
		set_asleep(d, false);
	service_settle_soon(service_of_dispatch(d));
}

static enum demand_answer ask(const struct service *s)
{
	struct demand demand = { .wanted = s->want };

	for (size_t i = 0; i < ROLLOUT_MAX; i++) {
		const struct worker *w = s->slots[i].current;

		demand.starting += w && w->state == WORKER_STARTING;
		demand.running += w && w->state != WORKER_STARTING;
	}
	demand.clients = clients_wait(s);
	demand.full = is_full(s);
	return demand_answer(&demand);
}

bool service_wants_worker(struct service *s)
{
	enum demand_answer answer = ask(s);

	set_asleep(&s->dispatch, answer == DEMAND_SLEEP);
	broker_tidy(s->broker); /* the service may be ready by that */
	if (answer == DEMAND_START)
		log_event(LEVEL_INFO, "demand", LOG_STR("service", s->name),
			  LOG_MSG("a client waits: a worker is started"));
	return answer == DEMAND_START;
}

bool service_ended_well(const struct worker *w)
{
	return worker_ended_well(w) &&
	       demand_ended_well(taker_taken(&w->taker) > 0, clients_wait(service_of(w)));
}
