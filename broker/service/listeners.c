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
#include "dispatch/taker.h"
#include "sys/log.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"
#include "worker/step.h"

struct endpoint *service_find_endpoint(struct service *s, const struct handoff_addr *addr)
{
	struct endpoint *e;

	return list_find(e, &s->dispatch.endpoints, link, address_equal(&e->app_addr, addr));
}

/*
 * Of @app, of the family of @like if there is one. @served: only with a channel. An activated
 * program has one for each address, whatever the port.
 */
static struct endpoint *endpoint_on(struct service *s, uint32_t app,
				    const struct handoff_addr *like, bool served)
{
	struct endpoint *e, *best = NULL;

	list_for_each (e, &s->dispatch.endpoints, link) {
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
	return list_find(e, &s->dispatch.endpoints, link,
			 !list_empty(&e->round.ring) && address_overlap(&e->app_addr, &l->addr));
}

void service_attach_listeners(struct service *s)
{
	struct listener *l;

	list_for_each (l, &s->dispatch.listeners, link) {
		struct endpoint *was = l->endpoint;
		struct endpoint *e = l->automatic ? endpoint_of_automatic(s, l)
						  : endpoint_on(s, l->app, &l->addr, true);
		STRBUF(error, 512);

		if (!e || e == was)
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
	struct service *s;
	struct listener *l;

	list_for_each (s, &b->services, link)
		list_for_each (l, &s->dispatch.listeners, link)
			if (!l->hidden && match(&l->addr, addr))
				return l;
	return NULL;
}

bool service_wants_endpoint(const struct service *s, const struct endpoint *e)
{
	const struct worker *w;

	return list_find(w, &s->workers, link,
			 worker_state_is_current(w->state) && taker_serves(&w->taker, e));
}

void service_close_unused(struct service *s)
{
	struct listener *l, *l_tmp;
	struct endpoint *e, *e_tmp;

	list_for_each_safe (l, l_tmp, &s->dispatch.listeners, link) {
		const struct address_text text = address_text(&l->addr);

		if (!l->automatic || !l->endpoint || service_wants_endpoint(s, l->endpoint))
			continue;
		log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(s)),
			  LOG_STR("address", text.text),
			  LOG_MSG("the app no longer asks for %s: closed", text.text));
		listener_free(l);
	}
	list_for_each_safe (e, e_tmp, &s->dispatch.endpoints, link)
		if (e->n_channels == 0 && list_empty(&e->listeners))
			endpoint_free(e);
}

int service_bind(struct service *s, const struct service_conf *sc, const struct asked *asked,
		 const struct handoff_addr *addr, bool listens, struct strbuf *error, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	struct listener *l;
	bool shared = false, local = address_unix(addr);
	int r = local ? unix_listener_bind(addr, sc, error, &fd)
		      : tcp_bind(addr, sc, asked, false, error, &fd);

	if (r == -EADDRINUSE && s && !local)
		list_for_each (l, &s->dispatch.listeners, link)
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

/* --- what apps ask for ------------------------------------------------------------------ */

/* The option in [broker] whose address a listener on @addr would collide with, or NULL. */
static const char *own_address(const struct broker_conf *bc, const struct handoff_addr *addr)
{
	if (bc->metrics.addr.family && address_overlap(&bc->metrics.addr, addr))
		return "metrics";
	if (bc->agent_check.addr.family && address_overlap(&bc->agent_check.addr, addr))
		return "agent_check";
	return NULL;
}

static bool has_listen_line_for(const struct service *s, uint32_t app)
{
	const struct listener *l;

	return list_find(l, &s->dispatch.listeners, link,
			 !l->automatic && !l->closing && l->app == app);
}

/*
 * Whether the app of @s may inherit @l, which is about to close: its section was renamed, its
 * `listen` line is gone, or the app has moved. To close it and bind the address again would refuse
 * clients in between.
 */
static bool may_take_over(const struct service *s, const struct listener *l)
{
	return !service_leaves(s) && !s->broker->stopping &&
	       (l->closing || l->leaves_with || l->dispatch->stopping);
}

/*
 * Binds what the app asked for and no `listen` line provides. @comes_with as of
 * service_add_listener().
 */
static int add_automatic(struct service *s, struct endpoint *e, unsigned comes_with,
			 struct strbuf *reason)
{
	struct listener *l = listener_find(s->broker, &e->app_addr, address_overlap);
	const char *own;
	int fd = -1, r;

	if (l && address_equal(&l->addr, &e->app_addr) && may_take_over(s, l)) {
		service_keep_listener(s, l, address_app(&e->app_addr), true);
		listener_attach(l, e);
		return 0;
	}
	if (l && l->dispatch != &s->dispatch) {
		strbuf_addf(reason,
			    "%s is served for [service:%s] already; publish one of the two "
			    "elsewhere, as in: listen = 8080 for %s",
			    address_app_words(address_app(&l->addr)).text, l->dispatch->service,
			    address_app_text(address_app(&e->app_addr)).text);
		return -EADDRINUSE;
	}
	own = own_address(s->broker->conf, &e->app_addr);
	if (own) {
		strbuf_addf(
			reason,
			"port %u is the broker's own (%s in [broker]); choose another one there",
			e->app_addr.port, own);
		return -EADDRINUSE;
	}
	r = service_bind(s, s->conf, &e->asked, &e->app_addr, !comes_with, reason, &fd);
	if (r < 0)
		return reason->len ? r : tcp_explain(&e->app_addr, r, reason);
	l = service_add_listener(s, &e->app_addr, address_app(&e->app_addr), true, fd, comes_with);
	if (!l)
		return strbuf_fail(reason, -ENOMEM, "the broker is out of memory");
	listener_attach(l, e);
	return 0;
}

/* Among those there are; the port decides. */
static int endpoint_for_guest(const struct worker *w, const struct handoff_addr *addr,
			      struct endpoint **ret, struct strbuf *reason)
{
	struct endpoint *e = endpoint_on(service_of(w), address_app(addr), addr, false);

	if (!e)
		return strbuf_fail(reason, -EADDRNOTAVAIL,
				   "[service:%s] does not listen on %s, so a guest cannot",
				   service_name(service_of(w)),
				   address_app_words(address_app(addr)).text);
	*ret = e;
	return 0;
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
		/* Many servers bind [::] and 0.0.0.0: by the first they have both. */
		if (taker_serves(&w->taker, e) && address_contains(&l->addr, addr))
			return e;
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

int service_endpoint_for(struct worker *w, const struct handoff_addr *addr,
			 const struct asked *asked, struct endpoint **ret, struct strbuf *reason)
{
	struct service *s = service_of(w);
	struct endpoint *known = service_find_endpoint(s, addr), *e = known;
	const struct listener *l;
	bool fed = has_listen_line_for(s, address_app(addr)) ||
		   (e && list_find(l, &e->listeners, endpoint_link, !l->closing));
	/* What a new worker of a reload asks for is not published before that has got so far. */
	unsigned comes_with =
		worker_is_of_rollout(w) && s->roll_kind == ROLL_RELOAD ? s->rollout_number : 0;
	int r;

	if (w->guest)
		return endpoint_for_guest(w, addr, ret, reason);
	if (asked->elsewhere && !has_listen_line_for(s, address_app(addr)))
		return strbuf_fail(reason, -EADDRNOTAVAIL,
				   "the app listens in another network namespace than the broker, "
				   "whose clients are not those of the app; start the broker in "
				   "that namespace (ip netns exec NAME broker), or say with "
				   "listen = ADDRESS:%u where in the broker's they are to connect",
				   addr->port);
	*ret = e && fed ? e : comes_with ? NULL : find_in_the_way(w, addr);
	if (*ret)
		return endpoint_ask(*ret, NULL, asked, w->conf, reason);
	if (!e)
		e = endpoint_new(&s->dispatch, addr);
	if (!e)
		return strbuf_fail(reason, -ENOMEM, "the broker is out of memory");
	r = endpoint_ask(e, NULL, asked, w->conf, reason);
	if (r == 0 && !fed)
		r = add_automatic(s, e, comes_with, reason);
	if (r < 0 && !known)
		endpoint_free(e);
	else
		*ret = e;
	return r;
}

static bool is_published(const struct service_conf *sc, uint32_t app)
{
	for (size_t i = 0; i < sc->n_listen; i++)
		if (sc->listen[i].app == app)
			return true;
	return false;
}

int service_reopen_for(struct worker *w, struct strbuf *error)
{
	const struct channel *c;
	int r = 0;

	list_for_each (c, &w->taker.channels, link) {
		struct endpoint *e = c->endpoint;
		const struct listener *l =
			listener_find(w->terms->broker, &e->app_addr, address_equal);

		if (r == 0 && !is_published(w->conf, address_app(&e->app_addr)) &&
		    (!l || l->closing || l->dispatch != w->terms->dispatch))
			r = add_automatic(service_of(w), e, 0, error);
	}
	return r;
}

bool worker_listens_as_configured(const struct worker *w)
{
	for (size_t i = 0; i < w->conf->n_listen; i++)
		if (!taker_listens_on(&w->taker, w->conf->listen[i].app))
			return false;
	return !list_empty(&w->taker.channels);
}

/* Also if @w listens on more, or less, of the same port: its clients go on. */
static bool is_covered(const struct worker *w, const struct endpoint *e)
{
	const struct channel *c;

	return list_find(c, &w->taker.channels, link,
			 c->endpoint == e || address_overlap(&c->endpoint->app_addr, &e->app_addr));
}

const struct endpoint *service_missing_endpoint(const struct worker *w)
{
	const struct channel *c;
	const struct worker *o;

	list_for_each (o, &service_of(w)->workers, link) {
		if (o->guest || (o->state != WORKER_READY && o->state != WORKER_HELD))
			continue;
		list_for_each (c, &o->taker.channels, link)
			if (channel_is_usable(c) && !is_covered(w, c->endpoint))
				return c->endpoint;
	}
	return NULL;
}

const struct endpoint *service_endpoint_of_others(const struct worker *w)
{
	const struct endpoint *e;

	return list_find(e, &service_of(w)->dispatch.endpoints, link,
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
