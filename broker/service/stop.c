/*
 * The end of a service, or its pause: first nobody new, then those who wait, then the workers.
 */
#include <string.h>
#include "service/service.h"
#include "base/address.h"
#include "sys/listener.h"
#include "sys/log.h"
#include "sys/sockdiag.h"

/* How often the emptying of the backlogs is looked at. */
#define CLOSING_STEP_MS 10
/* A handshake that has not completed by then waits for a client that is gone. */
#define HANDSHAKE_MS 1000

static struct loop *loop_of(const struct service *s)
{
	return &s->broker->loop;
}

/* Guests last: then it is known whether anybody else is left who could take what waits at them. */
static void for_all_workers(struct service *s, enum worker_event ev)
{
	struct worker *w, *tmp;

	list_for_each_safe (w, tmp, &s->workers, link)
		if (!w->guest)
			service_retire(w, ev);
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->guest)
			service_retire(w, ev);
}

const char *service_leave_text(const struct service *s)
{
	if (s && s->paused && !s->stopping)
		return "the service was paused meanwhile; the next reload brings it back";
	return "the service was told to end meanwhile";
}

static void end_rollout(struct service *s)
{
	struct worker *w, *tmp;

	service_drop_rollout(s, service_leave_text(s));
	loop_timer_disarm(&s->restart);
	service_close_window(s);
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->state == WORKER_STARTING)
			service_retire(w, EV_STOP);
}

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
	list_for_each (e, &s->endpoints, link)
		if (list_empty(&e->round.ring))
			endpoint_refuse_pending(e);
	for_all_workers(s, EV_RETIRE);
	broker_tidy(s->broker);
}

static void begin_closing(struct listener *l);

static void begin_closing_all(struct service *s)
{
	struct listener *l;

	s->handover_until_ms = 0;
	s->closing_since_ms = loop_now(loop_of(s));
	list_for_each (l, &s->listeners, link)
		begin_closing(l);
	loop_timer_arm(loop_of(s), &s->closing_timer, 0);
}

static bool others_start(const struct service *s)
{
	const struct service *other;

	list_for_each (other, &s->broker->services, link)
		if (!other->stopping && !service_is_ready(other))
			return true;
	return false;
}

/* Returns whether @s still serves on for those who will take its place. */
static bool hands_over(struct service *s)
{
	if (!s->handover_until_ms)
		return false;
	if (loop_now(loop_of(s)) < s->handover_until_ms && others_start(s))
		loop_timer_arm(loop_of(s), &s->closing_timer, CLOSING_STEP_MS);
	else
		begin_closing_all(s);
	return true;
}

static void closing_step(struct service *s)
{
	int64_t age = loop_now(loop_of(s)) - s->closing_since_ms;
	bool late = age >= s->conf->drain_timeout_ms;
	struct listener *l, *tmp;
	bool left = false;
	struct endpoint *e;

	list_for_each_safe (l, tmp, &s->listeners, link) {
		if (!l->closing)
			continue;
		if (late || is_empty(l, age < HANDSHAKE_MS))
			listener_free(l);
		else
			left = true;
	}
	list_for_each (e, &s->endpoints, link)
		left = left || (s->closing && !late && e->n_pending && !list_empty(&e->round.ring));
	if (left)
		loop_timer_arm(loop_of(s), &s->closing_timer, CLOSING_STEP_MS);
	else if (s->closing)
		finish_closing(s);
}

static void begin_closing(struct listener *l)
{
	struct service *s = l->service;
	int r = listener_stop_syns(l->fd);

	l->closing = true;
	s->closing_since_ms = loop_now(loop_of(s));
	if (r < 0)
		log_event(
			LEVEL_WARN, "unlisten", LOG_STR("service", service_name(s)),
			LOG_MSG("cannot keep new clients out while closing (%s): some that connect "
				"just now may be reset",
				strerror(-r)));
	/* From the loop, not from here. */
	loop_timer_arm(loop_of(s), &s->closing_timer, 0);
}

void service_close_listener(struct listener *l)
{
	STRBUF(text, 80);

	if (l->closing)
		return;
	address_format(&l->addr, &text);
	log_event(LEVEL_INFO, "unlisten", LOG_STR("service", service_name(l->service)),
		  LOG_STR("address", text.text), LOG_MSG("closing %s", text.text));
	begin_closing(l);
}

void service_closing_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, closing_timer);

	if (!hands_over(s))
		closing_step(s);
}

static void close_listeners(struct service *s)
{
	struct listener *l, *tmp;

	loop_timer_disarm(&s->closing_timer);
	s->closing = false;
	s->handover_until_ms = 0;
	list_for_each_safe (l, tmp, &s->listeners, link)
		listener_free(l);
}

/* Whoever waits is served by all who can: a hold by hand was for the time of serving. */
static void release_all(struct service *s)
{
	struct worker *w, *tmp;

	list_for_each_safe (w, tmp, &s->workers, link)
		worker_unhold(w, HELD_BY_HAND);
}

void service_stop(struct service *s, bool drain)
{
	s->stopping = true;
	end_rollout(s);
	if (!drain) {
		close_listeners(s);
		for_all_workers(s, EV_STOP);
		return;
	}
	if (s->closing && !s->handover_until_ms)
		return;
	s->closing = true;
	release_all(s);
	begin_closing_all(s);
}

void service_hand_over(struct service *s)
{
	s->stopping = true;
	end_rollout(s);
	s->closing = true;
	s->handover_until_ms = loop_now(loop_of(s)) + s->conf->start_timeout_ms;
	loop_timer_arm(loop_of(s), &s->closing_timer, CLOSING_STEP_MS);
}

void service_kill(struct service *s)
{
	s->stopping = true;
	end_rollout(s);
	close_listeners(s);
	for_all_workers(s, EV_KILL);
}

bool service_is_gone(const struct service *s)
{
	return s->stopping && !s->closing && list_empty(&s->workers);
}

void service_pause(struct service *s)
{
	struct endpoint *e;

	if (service_leaves(s))
		return;
	s->paused = true;
	end_rollout(s);
	list_for_each (e, &s->endpoints, link)
		endpoint_dispatch(e); /* disarms the listeners */
	for_all_workers(s, EV_RETIRE);
}
