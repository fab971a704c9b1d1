#include "close.h"

#include <errno.h>
#include <string.h>
#include "base/address.h"
#include "dispatch/endpoint.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "service/listeners.h"
#include "service/questions.h"
#include "sys/log.h"
#include "sys/sockdiag.h"
#include "sys/tcp.h"
#include "sys/unix_listener.h"
#include "worker/step.h"

/* How often the emptying of the backlogs is looked at. */
#define CLOSING_STEP_MS 10
/* A handshake that has not completed by then waits for a client that is gone. */
#define HANDSHAKE_MS 1000

static bool overlaps_another(const struct listener *l)
{
	list_for_each (const struct service, s, &l->dispatch->broker->services, link)
		list_for_each (const struct listener, o, &s->dispatch.listeners, link)
			if (o != l && !o->closing && !o->bound_only &&
			    address_overlap(&o->addr, &l->addr))
				return true;
	return false;
}

static void begin_closing(struct listener *l)
{
	struct service *s = service_of_dispatch(l->dispatch);
	int r;

	unix_listener_remove(&l->addr, l->file);
	l->hidden = address_unix(&l->addr) ? unix_listener_end(l->fd) == 0
					   : overlaps_another(l) && tcp_hide(l->fd) == 0;
	r = l->hidden ? 0 : tcp_stop_syns(l->fd);

	l->closing = true;
	s->closing_since_ms = loop_now(service_loop(s));
	if (r < 0)
		log_event(
			LEVEL_WARN, "unlisten", LOG_STR("service", service_name(s)),
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
		  LOG_STR("address", text.text), LOG_MSG("closing %s", text.text));
	begin_closing(l);
}

int service_restore(struct listener *l, struct strbuf *error)
{
	static const struct asked nothing;
	struct service *s = service_of_dispatch(l->dispatch);
	int fd, r;

	if (l->bound_only || !unix_listener_is_lost(&l->addr, l->file))
		return 0;
	log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(s)),
		  LOG_STR("address", address_text(&l->addr).text),
		  LOG_MSG("%s was removed, as programs do before they bind it: it is made again",
			  address_text(&l->addr).text));
	r = service_bind(s->broker, s, s->conf, &nothing, &l->addr, true, error, &fd);
	if (r < 0)
		return r;
	if (!service_add_listener(s, &l->addr, l->app, l->automatic, fd, 0))
		return strbuf_fail(error, -ENOMEM, "the broker is out of memory");
	service_close_gently(l);
	service_attach_listeners(s);
	return 0;
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
		return true;	    /* nobody serves it: waiting helps no client */
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

static bool others_start(const struct service *s)
{
	return list_find(const struct service, other, &s->broker->services, link,
			 !other->dispatch.stopping && !service_is_ready(other));
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
	else if (loop_now(service_loop(s)) < s->handover_until_ms && others_start(s))
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
