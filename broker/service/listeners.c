#include "listeners.h"

#include <errno.h>
#include <unistd.h>
#include "base/address.h"
#include "base/fd.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"
#include "worker/step.h"

struct endpoint *service_find_endpoint(struct service *s, const struct handoff_addr *addr)
{
	return list_find(struct endpoint, e, &s->dispatch.endpoints, link,
			 address_equal(&e->app_addr, addr));
}

struct endpoint *service_endpoint_on(struct service *s, uint32_t app,
				     const struct handoff_addr *like, bool served)
{
	struct endpoint *best = NULL;

	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link) {
		if (address_app(&e->app_addr) != app || (!e->n_channels && served))
			continue;
		if (!best || e->app_addr.family == like->family)
			best = e;
		if (s->conf->activation && e->app_addr.family == like->family &&
		    !memcmp(e->app_addr.ip, like->ip, sizeof(like->ip)))
			return e;
	}
	return best;
}

static struct endpoint *endpoint_of_automatic(struct service *s, const struct listener *l)
{
	struct endpoint *e = service_find_endpoint(s, &l->addr);

	if (e && !list_empty(&e->round.ring))
		return e;
	return list_find(struct endpoint, it, &s->dispatch.endpoints, link,
			 !list_empty(&it->round.ring) && address_overlap(&it->app_addr, &l->addr));
}

void service_attach_listeners(struct service *s)
{
	list_for_each (struct listener, l, &s->dispatch.listeners, link) {
		struct endpoint *was = l->endpoint;
		struct endpoint *e = l->automatic ? endpoint_of_automatic(s, l)
						  : service_endpoint_on(s, l->app, &l->addr, true);
		STRBUF(error, 512);

		if (!e || e == was || (l->addr.flags & HANDOFF_UDP))
			continue;
		/* Clients that the app does not want must not come to it. */
		if (asked_apply(l->fd, &e->asked, s->conf, &error) < 0) {
			log_event(LEVEL_ERROR, "listen", LOG_STR("service", service_name(s)),
				  LOG_INT("port", l->addr.port), LOG_MSG("%s", error.text));
			continue;
		}
		listener_attach(l, e);
		if (l->automatic && was)
			pending_move_all(was, e);
		endpoint_wake(e);
	}
}

void service_keep_listener(struct service *s, struct listener *l, uint32_t app, bool automatic)
{
	if (l->closing)
		tcp_remove_filter(l->fd);
	l->closing = false;
	l->leaves_with = 0;
	l->automatic = automatic;
	if (l->dispatch != &s->dispatch || l->app != app) {
		listener_move(l, &s->dispatch);
		l->app = app;
	}
}

struct listener *service_add_listener(struct service *s, const struct handoff_addr *addr,
				      uint32_t app, bool automatic, int fd, unsigned comes_with)
{
	struct listener *l = listener_new(&s->dispatch, addr, app, automatic, fd, comes_with != 0);

	if (!l) {
		(void)close(fd);
		return NULL;
	}
	l->comes_with = comes_with;
	if (!comes_with)
		service_log_listener(l);
	return l;
}

void service_log_listener(const struct listener *l)
{
	const struct address_text text = address_text(&l->addr);

	log_event(LEVEL_INFO, "listen", LOG_STR("service", l->dispatch->service),
		  LOG_STR("address", text.text), LOG_INT("port", l->addr.port),
		  LOG_INT("app_port", address_app_port(l->app)),
		  LOG_MSG("listening on %s%s", text.text,
			  l->automatic ? ", as the app asked" : ""));
}

struct listener *listener_find(struct broker *b, const struct handoff_addr *addr, match_fn *match)
{
	list_for_each (struct service, s, &b->services, link)
		list_for_each (struct listener, l, &s->dispatch.listeners, link)
			if (!l->hidden && match(&l->addr, addr))
				return l;
	return NULL;
}

bool service_wants_endpoint(const struct service *s, const struct endpoint *e)
{
	return list_find(const struct worker, w, &s->workers, link,
			 worker_state_is_current(w->state) && taker_serves(&w->taker, e));
}

void service_close_unused(struct service *s)
{
	list_for_each_safe (struct listener, l, l_tmp, &s->dispatch.listeners, link) {
		const struct address_text text = address_text(&l->addr);

		if (!l->automatic || !l->endpoint || service_wants_endpoint(s, l->endpoint))
			continue;
		log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(s)),
			  LOG_STR("address", text.text),
			  LOG_MSG("the app no longer asks for %s: closed", text.text));
		listener_free(l);
	}
	list_for_each_safe (struct endpoint, e, e_tmp, &s->dispatch.endpoints, link)
		if (e->n_channels == 0 && list_empty(&e->listeners))
			endpoint_free(e);
}

int service_bind(struct broker *b, struct service *s, const struct service_conf *sc,
		 const struct asked *asked, const struct handoff_addr *addr, bool listens,
		 struct strbuf *error, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	bool shared = false, local = address_unix(addr);
	int r = local ? unix_listener_bind(addr, sc, b->conf, error, &fd)
		      : tcp_bind(addr, sc, asked, false, error, &fd);

	if (r == -EADDRINUSE && s && !local)
		list_for_each (struct listener, l, &s->dispatch.listeners, link)
			if (address_overlap(&l->addr, addr))
				shared = tcp_share(l->fd) == 0;
	if (shared)
		r = tcp_bind(addr, sc, asked, true, error, &fd);
	if (r == 0 && listens)
		r = tcp_listen(fd, sc);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

bool worker_listens_as_configured(const struct worker *w)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!taker_listens_on(&w->taker, w->conf->listen[i].app))
			return false;
	return w->has_udp || !list_empty(&w->taker.channels);
}

/* Also if @w listens on more, or less, of the same port: its clients go on. */
static bool is_covered(const struct worker *w, const struct endpoint *e)
{
	return list_find(const struct channel, c, &w->taker.channels, link,
			 c->endpoint == e || address_overlap(&c->endpoint->app_addr, &e->app_addr));
}

const struct endpoint *service_missing_endpoint(const struct worker *w)
{
	list_for_each (const struct worker, o, &service_of(w)->workers, link) {
		if (o->guest || (o->state != WORKER_READY && o->state != WORKER_HELD))
			continue;
		list_for_each (const struct channel, c, &o->taker.channels, link)
			if (channel_is_usable(c) && !is_covered(w, c->endpoint))
				return c->endpoint;
	}
	return NULL;
}

const struct endpoint *service_endpoint_of_others(const struct worker *w)
{
	return list_find(const struct endpoint, e, &service_of(w)->dispatch.endpoints, link,
			 !list_empty(&e->round.ring) && !is_covered(w, e));
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
	/*
	 * A reload replaces the workers that listen on the rest: without them nobody would. So it
	 * waits for a new worker until start_timeout, unless the rest is given up.
	 */
	else if (!worker_is_of_rollout(w) || service_of(w)->fewer_ports)
		loop_timer_arm(worker_loop(w), &w->settle, SETTLE_MS);
}
