/*
 * The rolling restart of a service: performs what policy/rollout.c plans.
 */
#include <stdio.h>
#include <string.h>
#include "core/master.h"
#include "sys/log.h"

static struct loop *loop_of(const struct service *s)
{
	return &s->master->loop;
}

bool service_rollout_owns(const struct service *s, size_t slot)
{
	return s->rollout.active && slot < s->rollout.n &&
	       s->rollout.slots[slot].phase != ROLLOUT_DONE;
}

static void begin(struct service *s, struct service_conf *conf)
{
	bool has_old[ROLLOUT_MAX] = { false };

	service_conf_unref(s->target);
	s->target = conf;
	s->want = conf->workers;
	s->paused = false;
	s->last_generation++;
	s->rollout_began_ms = loop_now(loop_of(s));
	s->abort_reason[0] = '\0';
	backoff_reset(&s->backoff);
	loop_timer_disarm(&s->restart);
	log_event(LEVEL_INFO, "reload-begin", LOG_STR("service", service_name(s)),
		  LOG_INT("generation", s->last_generation), LOG_INT("workers", s->want),
		  LOG_MSG("replacing %u worker%s, %s", s->want, s->want == 1 ? "" : "s",
			  conf->strategy == STRATEGY_START_FIRST
				  ? "each new one ready before an old one leaves"
				  : "each old one gone before its new one starts"));

	/* Until rollout_begin() nothing may be filled in. */
	s->pumping = true;
	for (unsigned i = 0; i < ROLLOUT_MAX; i++) {
		struct worker *w = s->slots[i].current;

		if (w && i >= s->want)
			service_retire(w, EV_RETIRE);
		else if (w && w->state == WORKER_STARTING)
			service_retire(w, EV_STOP); /* serves nobody yet */
		has_old[i] = conf->strategy == STRATEGY_STOP_FIRST ? service_slot_has_process(s, i)
								   : s->slots[i].current != NULL;
	}
	s->pumping = false;
	rollout_begin(&s->rollout, conf->strategy, conf->surge, s->want, has_old);
	service_pump(s);
}

void service_roll(struct service *s, struct service_conf *conf)
{
	struct service_conf *held = service_conf_ref(conf);

	if (s->stopping) {
		service_conf_unref(held);
		return;
	}
	if (s->rollout.active) {
		/* Any number of reloads during one is one more. */
		service_conf_unref(s->after);
		s->after = held;
		return;
	}
	begin(s, held);
}

static void start_in(struct service *s, size_t i)
{
	struct worker *w = worker_start(s, s->target, (unsigned)i, s->last_generation);

	if (!w) {
		snprintf(s->abort_reason, sizeof(s->abort_reason), "%s.%zu could not be started",
			 service_name(s), i);
		rollout_new_failed(&s->rollout, i);
		return;
	}
	if (s->slots[i].current)
		s->slots[i].next = w;
	else
		s->slots[i].current = w;
}

static void retire_in(struct service *s, size_t i)
{
	struct worker *w = s->slots[i].current;

	log_event(LEVEL_DEBUG, "reload-step", LOG_STR("service", service_name(s)),
		  LOG_INT("slot", i), LOG_INT("generation", s->last_generation),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.n));
	/* It may have left by itself, and its successor have moved up. */
	if (w && w->generation != s->last_generation)
		service_retire(w, EV_RETIRE);
}

/* The new configuration is in force for all that follows. */
static void take_over(struct service *s)
{
	struct endpoint *e;

	service_conf_unref(s->conf);
	s->conf = s->target;
	s->target = NULL;
	s->generation = s->last_generation;
	list_for_each (e, &s->endpoints, link)
		e->round.mode = s->conf->balance;
	log_event(LEVEL_INFO, "reload-done", LOG_STR("service", service_name(s)),
		  LOG_INT("generation", s->generation),
		  LOG_INT("ms", loop_now(loop_of(s)) - s->rollout_began_ms),
		  LOG_MSG("all workers are new"));
	service_close_unused(s);
}

static void give_up(struct service *s)
{
	struct worker *w, *tmp;

	log_event(
		LEVEL_ERROR, "reload-aborted", LOG_STR("service", service_name(s)),
		LOG_INT("generation", s->last_generation), LOG_INT("replaced", s->rollout.done),
		LOG_STR("reason", s->abort_reason),
		LOG_MSG("reload aborted: %s; %zu of %zu workers were replaced, the others go on as "
			"they are",
			s->abort_reason, s->rollout.done, s->rollout.n));
	service_conf_unref(s->target);
	s->target = NULL;
	s->want = s->conf->workers;
	list_for_each_safe (w, tmp, &s->workers, link)
		if (w->generation == s->last_generation && w->state == WORKER_STARTING && !w->guest)
			service_retire(w, EV_STOP);
	for (unsigned i = s->want; i < ROLLOUT_MAX; i++)
		if (s->slots[i].current)
			service_retire(s->slots[i].current, EV_RETIRE);
}

void service_pump(struct service *s)
{
	enum rollout_action action;
	size_t i = 0;

	/* What is done here reports back to here. */
	if (s->pumping)
		return;
	s->pumping = true;
	while ((action = rollout_next(&s->rollout, &i)) != ROLLOUT_NOTHING) {
		switch (action) {
		case ROLLOUT_START:
			start_in(s, i);
			continue;
		case ROLLOUT_RETIRE:
			retire_in(s, i);
			continue;
		case ROLLOUT_FINISHED:
			take_over(s);
			break;
		case ROLLOUT_ABORTED:
			give_up(s);
			break;
		case ROLLOUT_NOTHING:
			break;
		}
		s->pumping = false;
		if (s->after) {
			struct service_conf *conf = s->after;

			s->after = NULL;
			begin(s, conf);
		}
		service_fill(s);
		return;
	}
	s->pumping = false;
}
