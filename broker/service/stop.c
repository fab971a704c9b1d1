#include "stop.h"

#include <string.h>
#include "base/address.h"
#include "dispatch/endpoint.h"
#include "dispatch/listener.h"
#include "dispatch/pending.h"
#include "service/in_force.h"
#include "service/questions.h"
#include "service/roll.h"
#include "sys/log.h"
#include "sys/sockdiag.h"
#include "sys/tcp.h"
#include "worker/hold.h"
#include "worker/step.h"

/* How often the emptying of the backlogs is looked at. */
#define CLOSING_STEP_MS 10
/* A handshake that has not completed by then waits for a client that is gone. */
#define HANDSHAKE_MS 1000

/* Guests last: then it is known whether another worker is left to take what waits at them. */
static void retire_all(struct service *s, enum worker_event how)
{
	struct worker *w, *tmp;

	for (int guests = 0; guests < 2; guests++)
		list_for_each_safe (w, tmp, &s->workers, link)
			if (w->guest == guests)
				worker_retire(w, how);
}

/* --- closing --------------------------------------------------------------------------- */

/* True once the backlog of @l is empty and nothing more can come into it. */
static bool is_empty(struct listener *l, bool patient)
{
	struct endpoint *e = l->endpoint;

	if (!e || list_empty(&e->round.ring))
		return true; /* nobody serves it: waiting helps no client */
	/*
	 * In this order: a handshake that completes after the backlog was seen empty would be
	 * reset. Workers that are full set the pace.
	 */
	if (patient && sockdiag_handshakes(l->addr.port) > 0)
		return false;
	return endpoint_dispatch(e);
}

static void finish_closing(struct service *s)
{
	struct endpoint *e;

	s->closing = false;
	s->dispatch.paused |= !s->dispatch.stopping;
	list_for_each (e, &s->dispatch.endpoints, link)
		if (list_empty(&e->round.ring))
			pending_refuse_all(e);
	retire_all(s, EV_RETIRE);
	broker_tidy(s->broker);
}

static void begin_closing(struct listener *l)
{
	struct service *s = service_of_dispatch(l->dispatch);
	int r = tcp_stop_syns(l->fd);

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

static void begin_closing_all(struct service *s)
{
	struct listener *l;

	s->handover_until_ms = 0;
	s->closing_since_ms = loop_now(service_loop(s));
	list_for_each (l, &s->dispatch.listeners, link)
		begin_closing(l);
	loop_timer_arm(service_loop(s), &s->closing_timer, 0);
}

static bool others_start(const struct service *s)
{
	const struct service *other;

	return list_find(other, &s->broker->services, link,
			 !other->dispatch.stopping && !service_is_ready(other));
}

static void closing_step(struct service *s)
{
	int64_t age = loop_now(service_loop(s)) - s->closing_since_ms;
	bool late = age >= s->conf->drain_timeout_ms;
	struct listener *l, *tmp;
	bool left = false;
	struct endpoint *e;

	list_for_each_safe (l, tmp, &s->dispatch.listeners, link) {
		if (!l->closing)
			continue;
		if (late || is_empty(l, age < HANDSHAKE_MS))
			listener_free(l);
		else
			left = true;
	}
	list_for_each (e, &s->dispatch.endpoints, link)
		left = left || (s->closing && !late && e->n_pending && !list_empty(&e->round.ring));
	if (left)
		loop_timer_arm(service_loop(s), &s->closing_timer, CLOSING_STEP_MS);
	else if (s->closing)
		finish_closing(s);
}

void service_close_listener(struct listener *l)
{
	const struct address_text text = address_text(&l->addr);

	if (l->closing)
		return;
	log_event(LEVEL_INFO, "unlisten", LOG_STR("service", l->dispatch->service),
		  LOG_STR("address", text.text), LOG_MSG("closing %s", text.text));
	begin_closing(l);
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
		begin_closing_all(s);
}

static void close_now(struct service *s)
{
	struct listener *l, *tmp;

	loop_timer_disarm(&s->closing_timer);
	s->closing = false;
	s->handover_until_ms = 0;
	list_for_each_safe (l, tmp, &s->dispatch.listeners, link)
		listener_free(l);
}

/* --- the end of a service -------------------------------------------------------------- */

static void end_rollout(struct service *s)
{
	struct worker *w, *tmp;

	service_drop_rollout(s, service_end_text(s));
	loop_timer_disarm(&s->restart);
	service_close_window(s);
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->state == WORKER_STARTING)
			worker_retire(w, EV_STOP);
}

/* What waits is served by every worker that can: a hold by hand was for the time of serving. */
static void release_all(struct service *s)
{
	struct worker *w, *tmp;

	list_for_each_safe (w, tmp, &s->workers, link)
		worker_unhold(w, HELD_BY_HAND);
}

static void close_all(struct service *s, enum worker_event how)
{
	end_rollout(s);
	if (how != EV_RETIRE) {
		s->dispatch.paused |= !s->dispatch.stopping;
		close_now(s);
		retire_all(s, how);
	} else if (!s->closing || s->handover_until_ms) {
		release_all(s);
		s->closing = true;
		begin_closing_all(s);
	}
}

void service_stop(struct service *s, enum worker_event how)
{
	s->dispatch.stopping = true;
	close_all(s, how);
}

void service_stop_by_hand(struct service *s, enum worker_event how)
{
	if (s->dispatch.stopping)
		return;
	log_event(LEVEL_INFO, "service-stop", LOG_STR("service", service_name(s)),
		  LOG_MSG("it is stopped by hand, until it is started or a reload"));
	close_all(s, how);
}

void service_hand_over(struct service *s)
{
	s->dispatch.stopping = true;
	end_rollout(s);
	s->closing = true;
	s->handover_until_ms = loop_now(service_loop(s)) + s->conf->start_timeout_ms;
	loop_timer_arm(service_loop(s), &s->closing_timer, CLOSING_STEP_MS);
}

bool service_is_gone(const struct service *s)
{
	return s->dispatch.stopping && !s->closing && list_empty(&s->workers) &&
	       list_empty(&s->gone);
}

void service_pause(struct service *s)
{
	struct endpoint *e;

	if (service_leaves(s))
		return;
	s->dispatch.paused = true;
	log_event(LEVEL_INFO, "service-pause", LOG_STR("service", service_name(s)),
		  LOG_MSG("clients wait until it is started, or a reload"));
	end_rollout(s);
	list_for_each (e, &s->dispatch.endpoints, link)
		(void)endpoint_dispatch(e); /* disarms the listeners */
	retire_all(s, EV_RETIRE);
}
