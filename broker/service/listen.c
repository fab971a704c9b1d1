#include "listen.h"

#include <errno.h>
#include <unistd.h>
#include "base/address.h"
#include "dispatch/endpoint.h"
#include "dispatch/holder.h"
#include "dispatch/listener.h"
#include "service/listeners.h"
#include "sys/bind_error.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "worker/listening.h"
#include "worker/step.h"

static bool has_listen_line_for(const struct service *s, uint16_t port)
{
	const struct listener *l;

	list_for_each (l, &s->dispatch.listeners, link)
		if (!l->automatic && !l->closing && l->app_port == port)
			return true;
	return false;
}

/*
 * Whether the app of @s may inherit @l, which is about to close: its section was renamed, its
 * `listen` line is gone, or the app has moved. To close it and bind the address again would refuse
 * clients in between.
 */
static bool may_take_over(const struct service *s, const struct listener *l)
{
	if (service_leaves(s) || s->broker->stopping)
		return false;
	return l->closing || l->dispatch->stopping;
}

/* Binds what the app asked for and no `listen` line provides. */
static int add_automatic(struct service *s, struct endpoint *e, struct strbuf *reason)
{
	struct listener *l = listener_find_overlap(s->broker, &e->app_addr);
	const char *own;
	int fd, r;

	if (l && address_equal(&l->addr, &e->app_addr) && may_take_over(s, l)) {
		if (l->closing)
			tcp_remove_filter(l->fd);
		l->closing = false;
		l->automatic = true;
		l->app_port = e->app_addr.port;
		listener_move(l, &s->dispatch);
		listener_attach(l, e);
		return 0;
	}
	if (l && l->dispatch != &s->dispatch) {
		strbuf_addf(reason,
			    "port %u is served for [service:%s] already; publish one of the two "
			    "elsewhere, as in: listen = 8080 for %u",
			    l->addr.port, l->dispatch->service, e->app_addr.port);
		return -EADDRINUSE;
	}
	own = broker_own_address(s->broker->conf, &e->app_addr);
	if (own) {
		strbuf_addf(
			reason,
			"port %u is the broker's own (%s in [broker]); choose another one there",
			e->app_addr.port, own);
		return -EADDRINUSE;
	}
	r = tcp_open(&e->app_addr, s->conf, &fd);
	if (r < 0) {
		bind_error_explain(&e->app_addr, r, reason);
		return r;
	}
	r = service_add_listener(s, &e->app_addr, e->app_addr.port, true, fd, &l);
	if (r < 0) {
		(void)close(fd);
		strbuf_add(reason, "the broker is out of memory");
		return r;
	}
	listener_attach(l, e);
	return 0;
}

static bool is_fed(const struct endpoint *e)
{
	const struct listener *l;

	list_for_each (l, &e->listeners, endpoint_link)
		if (!l->closing)
			return true;
	return false;
}

/*
 * Nobody was served by @e, and @w has no socket there any more: it looked whether the port is free.
 * Other workers run the same program; if they are not as far yet, they will be.
 */
static bool was_probe(struct worker *w, const struct endpoint *e)
{
	struct channel *c;

	list_for_each (c, &w->taker.channels, link)
		if (c->endpoint == e && channel_has_holder(c))
			return false;
	return !e->served;
}

/*
 * The app binds otherwise than before (127.0.0.1 has become 0.0.0.0, say) on a port that the broker
 * holds for it. Both cannot be bound at once, so the old one serves on. NULL: nothing is in the
 * way of @addr, or no longer.
 */
static struct endpoint *find_in_the_way(struct worker *w, const struct handoff_addr *addr)
{
	struct service *s = service_of(w);
	struct listener *l;

	list_for_each (l, &s->dispatch.listeners, link) {
		struct endpoint *e = l->endpoint;

		if (!l->automatic || !address_overlap(&l->addr, addr) || !e)
			continue;
		if (was_probe(w, e)) {
			endpoint_unlisten(e);
			return find_in_the_way(w, addr);
		}
		log_event(
			LEVEL_WARN, "listen", LOG_STR("service", service_name(s)),
			LOG_INT("port", addr->port),
			LOG_MSG("the app now asks for another address on port %u; the broker keeps "
				"the one it has until it is restarted",
				addr->port));
		return e;
	}
	return NULL;
}

int service_endpoint_for(struct worker *w, const struct handoff_addr *addr, struct endpoint **ret,
			 struct strbuf *reason)
{
	struct service *s = service_of(w);
	struct endpoint *known = service_find_endpoint(s, addr), *e = known;
	bool fed = has_listen_line_for(s, addr->port) || (e && is_fed(e));
	int r;

	*ret = e && fed ? e : find_in_the_way(w, addr);
	if (*ret)
		return 0;
	if (!e)
		e = endpoint_new(&s->dispatch, addr);
	if (!e) {
		strbuf_add(reason, "the broker is out of memory");
		return -ENOMEM;
	}
	r = fed ? 0 : add_automatic(s, e, reason);
	if (r < 0 && !known)
		endpoint_free(e);
	else
		*ret = e;
	return r;
}

static bool is_published(const struct service_conf *sc, uint16_t app_port)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].app_port == app_port)
			return true;
	return false;
}

static bool has_open_listener(const struct service *s, const struct handoff_addr *addr)
{
	const struct listener *l;

	list_for_each (l, &s->dispatch.listeners, link)
		if (!l->closing && address_equal(&l->addr, addr))
			return true;
	return false;
}

int service_reopen_for(struct worker *w, struct strbuf *error)
{
	const struct channel *c;
	int r = 0;

	list_for_each (c, &w->taker.channels, link) {
		struct endpoint *e = c->endpoint;

		if (r == 0 && !is_published(w->conf, e->app_addr.port) &&
		    !has_open_listener(service_of(w), &e->app_addr))
			r = add_automatic(service_of(w), e, error);
	}
	return r;
}

const struct endpoint *service_missing_endpoint(const struct worker *w)
{
	const struct endpoint *missing = NULL;
	const struct worker *other;

	list_for_each (other, &service_of(w)->workers, link) {
		bool serves = other->state == WORKER_READY || other->state == WORKER_HELD;

		if (other != w && !other->guest && serves && !missing)
			missing = worker_missing_endpoint(w, other);
	}
	return missing;
}

/*
 * A reload replaces the workers that listen on the rest: without them nobody would. So it waits for
 * a new worker until start_timeout, unless it is told that the rest is given up.
 */
static bool must_listen_on_all(const struct worker *w)
{
	const struct service *s = service_of(w);

	return s->rollout.active && w->rollout_number == s->rollout_number && !s->fewer_ports;
}

/* How long a worker that listens on some addresses may take for the rest. */
#define SETTLE_MS 1000

void service_worker_listens(struct worker *w)
{
	service_attach_listeners(service_of(w));
	/* Of a guest nothing is expected: one address is enough. */
	if (w->guest)
		worker_event(w, EV_LISTEN);
	if ((w->state != WORKER_STARTING && w->state != WORKER_CLOSED) ||
	    !worker_listens_as_configured(w))
		return;
	loop_timer_disarm(&w->settle);
	if (!service_missing_endpoint(w))
		worker_event(w, EV_LISTEN);
	else if (!must_listen_on_all(w))
		loop_timer_arm(worker_loop(w), &w->settle, SETTLE_MS);
}
