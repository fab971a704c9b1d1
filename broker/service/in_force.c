#include "in_force.h"

#include "dispatch/channel.h"
#include "service/listeners.h"
#include "worker/clock.h"
#include "worker/hold.h"
#include "worker/step.h"

void service_rearm(struct service *s)
{
	struct worker *w;

	s->terms.live = s->target && s->roll_kind == ROLL_RELOAD ? s->target : s->conf;
	s->dispatch.mode = s->conf->balance;
	if (!loop_timer_armed(&s->recycle))
		loop_timer_arm(service_loop(s), &s->recycle, 0);
	list_for_each (w, &s->workers, link)
		if (w->state != WORKER_STARTING)
			worker_rearm(w);
}

void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation)
{
	struct endpoint *e;

	service_conf_unref(s->conf);
	s->conf = conf;
	s->generation = generation;
	list_for_each (e, &s->dispatch.endpoints, link)
		e->round.mode = s->conf->balance;
	service_rearm(s);
}

/* --- kept for a rollback --------------------------------------------------------------- */

/* Whether the worker that has the slot of @w now would leave it, or there is none. */
static bool slot_is_free_for(const struct worker *w)
{
	const struct worker *current = service_of(w)->slots[w->slot].current;

	return !current || current->generation == w->terms->park.undoes;
}

bool service_may_return(const struct worker *w)
{
	return service_of(w)->rollback.conf && w->replaced_by == w->terms->park.undoes && w->pid &&
	       (w->state == WORKER_DRAINING || w->state == WORKER_PARKED) && slot_is_free_for(w) &&
	       worker_listens_as_configured(w);
}

bool service_any_may_return(const struct service *s)
{
	const struct worker *w;

	return list_find(w, &s->workers, link, service_may_return(w));
}

bool service_parks(const struct worker *w)
{
	return service_may_return(w) && worker_parks_for(w) > 0;
}

void service_window_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, rollback.over);

	service_close_window(s);
}

void service_close_window(struct service *s)
{
	struct worker *w;

	loop_timer_disarm(&s->rollback.over);
	service_conf_unref(s->rollback.conf);
	s->rollback.conf = NULL;
	s->terms.park = (struct park_terms){ 0 };
	list_for_each (w, &s->workers, link)
		if (w->state == WORKER_PARKED)
			worker_rearm(w); /* its time is up: unless somebody looks at it */
}

bool service_window_is_open(const struct service *s)
{
	return loop_timer_armed(&s->rollback.over);
}

/* At least. How long the window is in the end is decided when it begins. */
static int64_t park_ms(const struct service_conf *conf)
{
	return conf->rollback_window_ms > conf->probation_ms ? conf->rollback_window_ms
							     : conf->probation_ms;
}

void service_keep_for_rollback(struct service *s, const struct service_conf *conf)
{
	service_close_window(s);
	if (conf->strategy == STRATEGY_STOP_FIRST || park_ms(conf) == 0)
		return;
	s->rollback.conf = service_conf_ref(s->conf);
	s->rollback.generation = s->generation;
	s->rollback.want = s->want_before;
	s->terms.park = (struct park_terms){
		.undoes = s->target_generation,
		.window_ms = park_ms(conf),
	};
}

void service_open_window(struct service *s)
{
	int64_t window_ms;

	if (!s->rollback.conf)
		return;
	window_ms = s->conf->rollback_window_ms;
	if (window_ms == 0 || !service_any_may_return(s)) {
		service_close_window(s);
		return;
	}
	s->terms.park.until_ms = loop_now(service_loop(s)) + window_ms;
	loop_timer_arm(service_loop(s), &s->rollback.over, window_ms);
	service_rearm(s);
}

int64_t service_rollback_left(const struct service *s)
{
	int64_t left = s->rollback.over.at_ms - loop_now(service_loop(s));

	if (!service_window_is_open(s) || s->rollout.active || service_leaves(s) ||
	    !service_any_may_return(s))
		return -1;
	return left > 0 ? left : 0;
}

unsigned service_restore_all(struct service *s, struct worker **ret_leaving)
{
	struct worker *w, *tmp;
	unsigned n = 0;

	list_for_each_safe (w, tmp, &s->workers, link) {
		struct slot *slot;

		if (!service_may_return(w))
			continue;
		slot = &s->slots[w->slot];
		ret_leaving[w->slot] = slot->current;
		slot->current = w;
		w->retired_by_us = false;
		w->replaced_by = 0;
		n++;
		worker_event(w, EV_RESTORE);
		if (channel_is_stopped(list_first(&w->taker.channels, struct channel, link)))
			worker_note_stopped(w, true);
	}
	return n;
}
