#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include "dispatch/endpoint.h"
#include "service/fill.h"
#include "service/idle_end.h"
#include "service/in_force.h"
#include "service/close.h"
#include "service/pin.h"
#include "service/proof.h"
#include "service/questions.h"
#include "service/recycle.h"
#include "service/roll.h"
#include "service/settle.h"
#include "sys/log.h"
#include "worker/step.h"

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
	s->terms.changed = service_worker_changed;
	loop_timer_init(&s->restart, service_restart_expired);
	loop_timer_init(&s->closing_timer, service_closing_expired);
	loop_timer_init(&s->rollback.over, service_window_expired);
	loop_timer_init(&s->pin_timer, service_pin_expired);
	loop_timer_init(&s->settle, service_settle_expired);
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
	loop_timer_disarm(&s->restart);
	loop_timer_disarm(&s->settle);
	loop_timer_disarm(&s->probation);
	loop_timer_disarm(&s->recycle);
	loop_timer_disarm(&s->pin_timer);
	ledger_add(&b->gone, &s->dispatch.ledger);
	b->taken_by_gone += s->served_by_gone;
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
	loop_timer_disarm(&s->restart);
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
	log_event(LEVEL_INFO, "service-pause", LOG_STR("service", service_name(s)),
		  LOG_MSG("clients wait until it is started, or a reload"));
	end_rollout(s);
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		(void)endpoint_dispatch(e); /* disarms the listeners */
	service_retire_all(s, EV_RETIRE);
}
