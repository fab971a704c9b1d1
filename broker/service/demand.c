#include "demand.h"

#include <poll.h>
#include "dispatch/listener.h"
#include "dispatch/channel.h"
#include "policy/demand.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "worker/processes.h"
#include "worker/step.h"
#include "worker/words.h"

/* A client of UDP asks again after a second, mostly. */
#define UDP_QUIET_MS 2000
#define UDP_LOOK_MS  200

static bool is_readable(const struct listener *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return !l->bound_only && !l->closing && poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static bool clients_wait(const struct service *s)
{
	return list_find(const struct endpoint, e, &s->dispatch.endpoints, link, e->n_pending) ||
	       list_find(const struct listener, l, &s->dispatch.listeners, link, is_readable(l));
}

static uint64_t first_datagram(const struct service *s, bool reset)
{
	const struct listener *l = list_find(const struct listener, o, &s->dispatch.listeners, link,
					     (o->addr.flags & HANDOFF_UDP) != 0);

	if (l && reset)
		udp_reset(l->fd);
	return l ? udp_head(l->fd) : 0;
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

	/* A program that is to end has the socket of UDP until it does; its children do no harm. */
	list_for_each (const struct worker, w, &s->workers, link) {
		bool current = worker_state_is_current(w->state);

		demand.starting += w->state == WORKER_STARTING;
		demand.running += (current && w->state != WORKER_STARTING) ||
				  (!current && conf_is_udp(w->conf) && w->pid);
	}
	demand.clients = clients_wait(s);
	demand.full = is_full(s);
	return demand_answer(&demand);
}

bool service_wants_worker(struct service *s)
{
	enum demand_answer answer = ask(s);

	if (answer != DEMAND_NOTHING && conf_is_udp(s->conf))
		s->first_datagram = first_datagram(s, true);
	set_asleep(&s->dispatch, answer == DEMAND_SLEEP);
	broker_tidy(s->broker); /* the service may be ready by that */
	if (answer == DEMAND_START)
		log_event(LEVEL_INFO, "demand", LOG_STR("service", s->name),
			  LOG_MSG("a client waits: a worker is started"));
	return answer == DEMAND_START;
}

bool service_ended_well(const struct worker *w)
{
	const struct service *s = service_of(w);
	bool taken = conf_is_udp(w->conf) ? first_datagram(s, false) != s->first_datagram
					  : taker_taken(&w->taker) > 0;

	return worker_ended_well(w) && demand_ended_well(taken, clients_wait(s));
}

void service_watch_udp(struct worker *w, int64_t now)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	uint64_t ran_ns = 0;

	if (now - w->counted_ms < UDP_LOOK_MS)
		return;
	w->counted_ms = now;
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		ran_ns += proc_run_ns(all.pids[i]);
	if (ran_ns != w->ran_ns || !ran_ns) {
		w->ran_ns = ran_ns;
		w->ran_ms = now;
	} else if (now - w->ran_ms >= UDP_QUIET_MS) {
		worker_event(w, EV_DRAINED);
	}
}
