#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include "dispatch/endpoint.h"
#include "dispatch/listener.h"
#include "service/fill.h"
#include "service/idle_end.h"
#include "service/in_force.h"
#include "service/open.h"
#include "service/pin.h"
#include "service/proof.h"
#include "service/recycle.h"
#include "service/settle.h"

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
	struct listener *l, *l_tmp;
	struct endpoint *e, *e_tmp;

	assert(list_empty(&s->workers) && list_empty(&s->gone));
	service_close_window(s);
	service_free_troubles(s);
	idle_end_deinit(&s->idle_end);
	list_for_each_safe (l, l_tmp, &s->dispatch.listeners, link)
		listener_free(l);
	list_for_each_safe (e, e_tmp, &s->dispatch.endpoints, link)
		endpoint_free(e);
	loop_timer_disarm(&s->restart);
	loop_timer_disarm(&s->closing_timer);
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
