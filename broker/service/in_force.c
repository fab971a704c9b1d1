#include "in_force.h"

#include "dispatch/channel.h"
#include "service/fill.h"
#include "service/asks.h"
#include "service/listeners.h"
#include "service/open.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/step.h"

void service_rearm(struct service *s)
{
	s->terms.live = s->target && s->roll_kind == ROLL_RELOAD ? s->target : s->conf;
	s->dispatch.mode = s->conf->balance;
	s->dispatch.limit = conf_forks(s->conf) ? s->terms.live->processes : 0;
	s->dispatch.wanted = s->conf->wait ? service_wanted : NULL;
	s->dispatch.asleep &= s->conf->wait;
	if (!loop_timer_armed(&s->recycle))
		loop_timer_arm(service_loop(s), &s->recycle, 0);
	list_for_each (struct worker, w, &s->workers, link)
		if (w->state != WORKER_STARTING)
			worker_rearm(w);
}

void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation)
{
	service_conf_unref(s->conf);
	s->conf = conf;
	s->generation = generation;
	list_for_each (struct endpoint, e, &s->dispatch.endpoints, link)
		balancer_set_mode(&e->round, s->conf->balance);
	service_rearm(s);
}

/* Whether the worker that has the slot of @w now would leave it, or there is none. */
static bool slot_is_free_for(const struct worker *w)
{
	const struct worker *current = service_of(w)->slots[w->slot].current;

	return !current || current->generation == w->terms->park.undoes;
}

/* Whether the last reload has replaced @w, and it could serve again. */
static bool may_return(const struct worker *w)
{
	return service_of(w)->rollback.conf && w->replaced_by == w->terms->park.undoes && w->pid &&
	       (w->state == WORKER_DRAINING || w->state == WORKER_PARKED) && slot_is_free_for(w) &&
	       worker_listens_as_configured(w) && !w->has_udp; /* it would go on reading */
}

bool service_any_may_return(const struct service *s)
{
	return list_find(const struct worker, w, &s->workers, link, may_return(w));
}

bool service_parks(const struct worker *w)
{
	return may_return(w) && worker_parks_for(w) > 0;
}

void service_window_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, rollback.over);

	service_close_window(s);
}

void service_close_window(struct service *s)
{
	loop_timer_disarm(&s->rollback.over);
	service_conf_unref(s->rollback.conf);
	s->rollback.conf = NULL;
	s->terms.park = (struct park_terms){ 0 };
	list_for_each (struct worker, w, &s->workers, link)
		if (w->state == WORKER_PARKED)
			worker_rearm(w); /* its time is up: unless somebody looks at it */
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
	if (conf->strategy == STRATEGY_STOP_FIRST || park_ms(conf) == 0 || conf->wait)
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
	int64_t window_ms = s->conf->rollback_window_ms;

	if (!s->rollback.conf)
		return;
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

	if (!loop_timer_armed(&s->rollback.over) || s->rollout.active || service_leaves(s) ||
	    !service_any_may_return(s))
		return -1;
	return left > 0 ? left : 0;
}

unsigned service_restore_all(struct service *s)
{
	struct worker *leaving[ROLLOUT_MAX] = { NULL };
	unsigned n = 0;

	list_for_each_safe (struct worker, w, tmp, &s->workers, link) {
		struct slot *slot;

		if (!may_return(w))
			continue;
		slot = &s->slots[w->slot];
		leaving[w->slot] = slot->current;
		slot->current = w;
		w->retired_by_us = false;
		w->replaced_by = 0;
		n++;
		worker_event(w, EV_RESTORE);
		if (channel_is_stopped(list_first(&w->taker.channels, struct channel, link), false))
			worker_note_stopped(w, true);
	}
	for (unsigned i = 0; i < ROLLOUT_MAX; i++)
		if (leaving[i])
			worker_retire(leaving[i], EV_RETIRE);
	return n;
}

static const char *no_window_text(const struct service *s)
{
	if (s->conf->rollback_window_ms == 0)
		return "rollback_window is 0, so no old worker is kept";
	if (s->reloads_done + s->reloads_aborted == 0)
		return "no reload was done yet";
	if (s->roll_kind == ROLL_RELOAD && s->abort_reason[0] && s->rollout.done == 0)
		return "the last reload was aborted, and had replaced no worker";
	return "its rollback_window is over, or the last reload has already been rolled back";
}

static int check_rollback(const struct service *s, struct strbuf *error)
{
	int r = service_check_steering(s, error);

	if (r < 0)
		return r;
	if (!loop_timer_armed(&s->rollback.over))
		return strbuf_fail(error, -ENOENT, "%s has nothing to go back to: %s", s->name,
				   no_window_text(s));
	if (!service_any_may_return(s))
		return strbuf_fail(error, -ENOENT, "no worker of generation %u of %s is left",
				   s->rollback.generation, s->name);
	return 0;
}

/* The addresses of the old configuration, and those that the old apps had asked for. */
static int open_for_return(struct service *s, struct opened_list *ret, struct strbuf *error)
{
	int r = reload_open_one(s->broker, s, false, true, s->rollback.conf, ret, error);

	if (r < 0)
		return r;
	list_for_each (struct worker, w, &s->workers, link)
		if (r == 0 && may_return(w))
			r = service_reopen_for(w, error);
	if (r < 0)
		service_close_unused(s);
	return r;
}

/*
 * Those of the generation that is undone that still have a slot; and those in slots beyond the
 * restored number, which were added by hand after an aborted reload.
 */
static void retire_undone(struct service *s, unsigned undone)
{
	for (unsigned i = 0; i < ROLLOUT_MAX; i++) {
		struct worker *w = s->slots[i].current;

		if (w && (w->generation == undone || i >= s->want))
			worker_retire(w, EV_RETIRE);
	}
}

int service_rollback(struct service *s, struct strbuf *error)
{
	_cleanup_opened_ struct opened_list opened = { 0 };
	struct service_conf *conf;
	STRBUF(number, 64);
	unsigned undone, restored, wanted = s->want;
	int r = check_rollback(s, error);

	if (r == 0)
		r = open_for_return(s, &opened, error);
	if (r < 0)
		return r;
	undone = s->terms.park.undoes;
	conf = service_conf_ref(s->rollback.conf);
	s->want = s->rollback.want;
	reload_take_listeners(s, conf, opened.v, 0);
	service_put_in_force(s, conf, s->rollback.generation);
	restored = service_restore_all(s);
	retire_undone(s, undone);
	reload_drop_listeners(s, conf, opened.v, 0);
	service_close_window(s);
	backoff_reset(&s->backoff);
	service_close_unused(s);
	if (s->want != wanted)
		strbuf_addf(&number, "; %u were wanted before", wanted);
	log_event(LEVEL_WARN, "rollback", LOG_SERVICE(s), LOG_INT("generation", s->generation),
		  LOG_INT("undoes", undone), LOG_INT("restored", restored),
		  LOG_INT("workers", s->want),
		  LOG_MSG("from generation %u back to %u: %u of %u workers were put back%s", undone,
			  s->generation, restored, s->want, number.text));
	service_fill(s);
	return 0;
}
