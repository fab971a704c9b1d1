#include "listeners.h"

#include "base/address.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/sockdiag.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"
#include "worker/step.h"

/* How often the emptying of the backlogs is looked at. */
#define CLOSING_STEP_MS 10
/* A handshake that has not completed by then waits for a client that is gone. */
#define HANDSHAKE_MS 1000

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
			log_event(LEVEL_ERROR, "listen", LOG_SERVICE(s),
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
		given_close(fd, given_by(fd), true);
		return NULL;
	}
	l->comes_with = comes_with;
	if (!comes_with)
		service_log_listener(l);
	return l;
}

/* The apps of other services may have asked for it before a `listen` line named it. */
static void end_squatters(const struct listener *l)
{
	list_for_each (struct service, s, &l->dispatch->broker->services, link)
		list_for_each_safe (struct listener, o, tmp, &s->dispatch.listeners, link) {
			if (&s->dispatch == l->dispatch || !o->automatic || o->closing ||
			    !address_overlap(&o->addr, &l->addr))
				continue;
			log_event(LEVEL_WARN, "listen", LOG_SERVICE(s),
				  LOG_INT("port", o->addr.port),
				  LOG_MSG("%s, for which the app asked, is that of [service:%s] "
					  "now, which has a listen line for it",
					  address_text(&o->addr).text, l->dispatch->service));
			service_close_gently(o);
		}
}

void service_log_listener(const struct listener *l)
{
	const struct address_text text = address_text(&l->addr);
	enum given_by by = given_by(l->fd);

	log_event(LEVEL_INFO, "listen", LOG_STR("service", l->dispatch->service),
		  LOG_STR("address", text.text), LOG_INT("port", l->addr.port),
		  LOG_INT("app_port", address_app_port(l->app)),
		  LOG_MSG("listening on %s%s%s", text.text,
			  l->automatic ? ", as the app asked" : "",
			  by == GIVEN_UNIT    ? ", by the socket of the service manager"
			  : by == GIVEN_STORE ? ", which has been open since the last broker"
					      : ""));
	if (!l->automatic)
		end_squatters(l);
}

const struct service *service_named_for(const struct broker *b, const struct handoff_addr *addr,
					const struct service *except)
{
	list_for_each (const struct service, s, &b->services, link) {
		const struct service_conf *sc = s->after    ? s->after
						: s->target ? s->target
							    : s->conf;

		if (s != except && !s->dispatch.stopping &&
		    conf_find_listen(sc, addr, address_overlap))
			return s;
	}
	return NULL;
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
		log_event(LEVEL_INFO, "unlisten", LOG_SERVICE(s), LOG_STR("address", text.text),
			  LOG_MSG("the app no longer asks for %s: closed", text.text));
		listener_free(l);
	}
	list_for_each_safe (struct endpoint, e, e_tmp, &s->dispatch.endpoints, link)
		if (e->n_channels == 0 && list_empty(&e->listeners))
			endpoint_free(e);
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

/* --- closed without losing a client ------------------------------------------------------ */

static bool overlaps_another(const struct listener *l)
{
	list_for_each (const struct service, s, &l->dispatch->broker->services, link)
		list_for_each (const struct listener, o, &s->dispatch.listeners, link)
			if (o != l && !o->closing && !o->bound_only &&
			    address_overlap(&o->addr, &l->addr))
				return true;
	return false;
}

/* New clients. */
static int keep_out(struct listener *l)
{
	unix_listener_remove(&l->addr, l->file);
	l->hidden = address_unix(&l->addr) ? unix_listener_end(l->fd) == 0
					   : overlaps_another(l) && tcp_hide(l->fd) == 0;
	return l->hidden ? 0 : tcp_stop_syns(l->fd);
}

static void begin_closing(struct listener *l)
{
	struct service *s = service_of_dispatch(l->dispatch);
	int r = 0;

	if (!listener_outlives(l))
		r = keep_out(l);
	l->closing = true;
	s->closing_since_ms = loop_now(service_loop(s));
	if (r < 0)
		log_event(
			LEVEL_WARN, "unlisten", LOG_SERVICE(s),
			LOG_MSG("cannot keep new clients out while closing (%s): some that connect "
				"just now may be reset",
				strerror(-r)));
	/* From the loop, not from here. */
	loop_timer_arm(service_loop(s), &s->closing_timer, 0);
}

void service_close_gently(struct listener *l)
{
	const struct address_text text = address_text(&l->addr);

	if (l->bound_only || (l->addr.flags & HANDOFF_UDP)) {
		listener_free(l);
		return;
	}
	if (l->closing)
		return;
	log_event(LEVEL_INFO, "unlisten", LOG_STR("service", l->dispatch->service),
		  LOG_STR("address", text.text),
		  LOG_MSG("closing %s%s", text.text,
			  l->given == GIVEN_UNIT ? ", but its socket is the service manager's: it "
						   "stays open, and who connects waits"
						 : ""));
	begin_closing(l);
}

/* Guests last: then it is known whether another worker is left to take what waits at them. */
void service_retire_all(struct service *s, enum worker_event how)
{
	for (int guests = 0; guests < 2; guests++)
		list_for_each_safe (struct worker, w, tmp, &s->workers, link)
			if (w->guest == guests)
				worker_retire(w, how);
}

/* True once the backlog of @l is empty and nothing more can come into it. */
static bool is_empty(struct listener *l, bool patient)
{
	struct endpoint *e = l->endpoint;

	if (!e || list_empty(&e->round.ring))
		return true; /* nobody serves it: waiting helps no client */
	/* What comes from now on is the next broker's. */
	if (listener_outlives(l))
		return !patient || endpoint_dispatch(e);
	if (address_unix(&l->addr)) /* which has no handshakes */
		return endpoint_dispatch(e) || l->bound_only;
	/*
	 * In this order: a handshake that completes after the backlog was seen empty would be
	 * reset. Workers that are full set the pace.
	 */
	if (patient && !l->hidden && sockdiag_handshakes(l->addr.port) > 0)
		return false;
	/* Handshakes of the other are not told from those that have begun here. */
	return endpoint_dispatch(e) && !(patient && l->hidden);
}

static void finish_closing(struct service *s)
{
	s->closing = false;
	s->dispatch.paused |= !s->dispatch.stopping;
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		if (list_empty(&e->round.ring))
			pending_refuse_all(e);
	service_retire_all(s, EV_RETIRE);
	broker_tidy(s->broker);
}

void service_close_all(struct service *s)
{
	s->handover_until_ms = 0;
	s->closing_since_ms = loop_now(service_loop(s));
	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link)
		if (l->addr.flags & HANDOFF_UDP) /* what it holds is its program's, if one runs */
			listener_free(l);
		else
			begin_closing(l);
	loop_timer_arm(service_loop(s), &s->closing_timer, 0);
}

static void closing_step(struct service *s)
{
	int64_t age = loop_now(service_loop(s)) - s->closing_since_ms;
	bool late = age >= s->conf->drain_timeout_ms;
	bool left = false;

	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link) {
		if (!l->closing)
			continue;
		if (late || is_empty(l, age < HANDSHAKE_MS))
			listener_free(l);
		else
			left = true;
	}
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		left = left || (s->closing && !late && e->n_pending && !list_empty(&e->round.ring));
	if (left)
		loop_timer_arm(service_loop(s), &s->closing_timer, CLOSING_STEP_MS);
	else if (s->closing)
		finish_closing(s);
}

void service_closing_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, closing_timer);

	if (!s->handover_until_ms)
		closing_step(s);
	else if (loop_now(service_loop(s)) < s->handover_until_ms &&
		 list_find(const struct service, other, &s->broker->services, link,
			   !other->dispatch.stopping && !service_is_ready(other)))
		/* It still serves, until its successors are ready. */
		loop_timer_arm(service_loop(s), &s->closing_timer, CLOSING_STEP_MS);
	else
		service_close_all(s);
}

void service_close_now(struct service *s)
{
	loop_timer_disarm(&s->closing_timer);
	s->closing = false;
	s->handover_until_ms = 0;
	list_for_each_safe (struct listener, l, tmp, &s->dispatch.listeners, link)
		listener_free(l);
}
