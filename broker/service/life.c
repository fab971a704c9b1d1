#include "life.h"

#include <stdio.h>
#include "base/address.h"
#include "dispatch/endpoint.h"
#include "service/fill.h"
#include "service/idle_end.h"
#include "service/in_force.h"
#include "service/listeners.h"
#include "service/pin.h"
#include "service/recycle.h"
#include "service/roll.h"
#include "sys/log.h"
#include "worker/explain.h"
#include "worker/start.h"
#include "worker/step.h"
#include "worker/words.h"

/* --- recorded ------------------------------------------------------------------------ */

/* The worker does not serve in its slot any more. */
static void leave_slot(struct worker *w)
{
	struct slot *slot = &service_of(w)->slots[w->slot];

	if (slot->next == w)
		slot->next = NULL;
	if (slot->current == w) {
		slot->current = slot->next;
		slot->next = NULL;
		slot->left_ms = loop_now(worker_loop(w));
	}
}

/* @w did not start, or has ended before the rollout was passed. */
static void fail_rollout(struct worker *w, bool starting)
{
	const struct worker_end_facts facts = worker_end_facts(w, starting);
	bool late = starting && !facts.exited && !facts.check;
	const struct endpoint *missing = late ? service_missing_endpoint(w) : NULL;
	STRBUF(how, 512);

	strbuf_add(&how, starting ? "did not start: " : "ended by itself: ");
	if (missing && !list_empty(&w->taker.channels))
		strbuf_addf(&how,
			    "it does not listen on %s, as the workers before it do (if the new "
			    "version gives that up: brokerctl reload --accept-fewer-ports)",
			    address_text(&missing->app_addr).text);
	else
		worker_end_add_words(&facts, &how);
	if (late) {
		worker_add_missing(w, "; expected, because of `listen`: ", &how);
		worker_add_addresses(w, "; it listens on ", &how);
	}
	service_fail_rollout(w, how.text);
}

static void note_failure(struct worker *w, bool starting)
{
	struct service *s = service_of(w);

	if (worker_is_of_rollout(w) && (!starting || service_rollout_owns(s, w->slot)))
		fail_rollout(w, starting); /* the rollout ends: that is its back-off */
	else
		service_note_failure(w, starting);
}

/* Nothing of it is needed any more but for the books. */
static void bury(struct worker *w)
{
	const struct pin_filter its_own = { .worker = w->name, .generation = w->generation };
	struct service *s = service_of(w);

	worker_log_exit(w);
	if (w->guest) {
		/* Nobody will have this name again. */
		(void)service_unpin(s, &(struct pin_filter){ .worker = w->name }, "taken off");
	} else {
		s->slots[w->slot].measured.taken_by_gone += w->served;
		s->slots[w->slot].measured.cpu_ms_by_gone += w->found.cpu_ms;
	}
	s->served_by_gone += w->served;
	list_remove(&w->link);
	list_append(&s->gone, &w->link);
	(void)service_unpin(s, &its_own, "the worker has ended");
}

static void worker_changed(struct worker *w, enum worker_state from)
{
	struct service *s = service_of(w);
	bool listens = w->state == WORKER_READY && from == WORKER_STARTING;

	service_settle_soon(s);
	if (w->state == from)
		return;
	if (w->state == WORKER_DEAD)
		bury(w);
	if (w->guest)
		return;
	/* A worker that drained since an earlier reload is not what this rollout waits for. */
	if (w->state == WORKER_DEAD &&
	    !list_find(const struct worker, old, &s->workers, link,
		       old->slot == w->slot && old->rollout_number != s->rollout_number))
		rollout_old_gone(&s->rollout, w->slot);
	if (worker_state_is_current(from) && !worker_state_is_current(w->state)) {
		leave_slot(w);
		if (!w->retired_by_us && service_ended_well(w))
			backoff_reset(&s->backoff);
		else if (!w->retired_by_us && !service_leaves(s))
			note_failure(w, from == WORKER_STARTING);
	}
	if (listens && worker_is_of_rollout(w)) {
		rollout_new_ready(&s->rollout, w->slot);
		service_announce(s, ROLL_READY, w);
		(void)proof_look(w, loop_now(service_loop(s))); /* it may be that no client comes */
	} else if (listens && !s->rollout_number) {
		/* A reload may have made the service: there is no rollout, but somebody waits. */
		notice(s->broker, rollout, s, ROLL_READY, w);
	}
	s->one_started_less |= from == WORKER_STARTING;
}

/* --- settled ------------------------------------------------------------------------- */

/*
 * One worker less is starting: services that had to wait for that hear of it from nobody else. They
 * come before @s, which has just had a turn: one of hundreds does not keep them waiting.
 */
static void fill_others(struct service *s)
{
	s->one_started_less = false;
	list_for_each (struct service, other, &s->broker->services, link)
		if (other != s)
			service_fill(other);
}

static void settle_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, settle);
	struct worker *w;

	while ((w = list_first(&s->gone, struct worker, link)))
		worker_free(w);
	service_weigh_checks(s);
	service_pump(s);
	service_attach_listeners(s);
	if (s->one_started_less)
		fill_others(s);
	service_fill(s);
	broker_tidy(s->broker);
}

/* --- made and freed ------------------------------------------------------------------ */

struct service *service_new(struct broker *b, struct service_conf *conf)
{
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->broker = b;
	s->conf = service_conf_ref(conf);
	s->want = conf->workers;
	s->generation = s->last_generation = 1;
	list_init(&s->workers);
	list_init(&s->gone);
	snprintf(s->name, sizeof(s->name), "%s", conf->name);
	s->dispatch.service = s->name;
	dispatch_init(&s->dispatch, b);
	s->terms.broker = b;
	s->terms.dispatch = &s->dispatch;
	s->terms.changed = worker_changed;
	loop_timer_init(&s->closing_timer, service_closing_expired);
	loop_timer_init(&s->rollback.over, service_window_expired);
	loop_timer_init(&s->pin_timer, service_pin_expired);
	loop_timer_init(&s->settle, settle_expired);
	loop_timer_init(&s->probation, service_probation_expired);
	loop_timer_init(&s->recycle, service_recycle_expired);
	loop_timer_init(&s->idle_end.step, service_idle_end_expired);
	service_rearm(s);
	list_append(&b->services, &s->link);
	return s;
}

void service_free(struct service *s)
{
	struct broker *b = s->broker;

	assert(list_empty(&s->workers) && list_empty(&s->gone));
	service_close_window(s);
	idle_end_deinit(&s->idle_end);
	service_close_now(s);
	list_for_each_safe (struct endpoint, e, tmp, &s->dispatch.endpoints, link)
		endpoint_free(e);
	pins_deinit(&s->dispatch.pins);
	loop_timer_disarm(&s->settle);
	loop_timer_disarm(&s->probation);
	loop_timer_disarm(&s->recycle);
	loop_timer_disarm(&s->pin_timer);
	ledger_add(&b->gone, &s->dispatch.ledger);
	b->taken_by_gone += s->served_by_gone;
	b->moved_by_gone += s->dispatch.moved;
	list_remove(&s->link);
	service_conf_unref(s->conf);
	service_conf_unref(s->target);
	service_conf_unref(s->after);
	free(s);
}

/* --- told to end ------------------------------------------------------------------------- */

static void end_rollout(struct service *s)
{
	service_drop_rollout(s, service_end_text(s));
	service_close_window(s);
	list_for_each_safe (struct worker, w, tmp, &s->workers, link)
		if (w->state == WORKER_STARTING)
			worker_retire(w, EV_STOP);
}

static void close_all(struct service *s, enum worker_event how)
{
	end_rollout(s);
	if (how != EV_RETIRE) {
		s->dispatch.paused |= !s->dispatch.stopping;
		service_close_now(s);
		service_retire_all(s, how);
	} else if (!s->closing || s->handover_until_ms) {
		/* Every worker that can serves what waits: the hold was for other times. */
		list_for_each_safe (struct worker, w, tmp, &s->workers, link)
			worker_unhold(w, HELD_BY_HAND);
		s->closing = true;
		service_close_all(s);
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
	log_event(LEVEL_INFO, "service-stop", LOG_SERVICE(s),
		  LOG_MSG("it is stopped by hand, until it is started or a reload"));
	close_all(s, how);
}

void service_hand_over(struct service *s)
{
	s->dispatch.stopping = true;
	end_rollout(s);
	s->closing = true;
	s->handover_until_ms = loop_now(service_loop(s)) + s->conf->start_timeout_ms;
	loop_timer_arm(service_loop(s), &s->closing_timer, 0);
}

bool service_is_gone(const struct service *s)
{
	return s->dispatch.stopping && !s->closing && list_empty(&s->workers) &&
	       list_empty(&s->gone);
}

void service_pause(struct service *s)
{
	if (service_leaves(s))
		return;
	s->dispatch.paused = true;
	log_event(LEVEL_INFO, "service-pause", LOG_SERVICE(s),
		  LOG_MSG("clients wait until it is started, or a reload"));
	end_rollout(s);
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		(void)endpoint_dispatch(e); /* disarms the listeners */
	service_retire_all(s, EV_RETIRE);
}
