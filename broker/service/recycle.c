#include "recycle.h"

#include <time.h>
#include "base/units.h"
#include "dispatch/taker.h"
#include "service/questions.h"
#include "service/roll.h"
#include "sys/log.h"
#include "worker/clock.h"
#include "worker/processes.h"

/* After a replacement that did not come up: as long as a person may need to see to it. */
#define PAUSE_MS 60000

static enum recycle_reason reason_for(struct worker *w)
{
	const struct service_conf *sc = w->terms->live;
	const struct recycle_limits limits = {
		.connections = sc->max_connections,
		.memory = sc->max_memory,
		.age_ms = sc->max_age_ms,
	};
	struct recycle_limits so_far = {
		.connections = taker_taken(&w->taker),
		.age_ms = loop_now(worker_loop(w)) - w->started_ms,
	};

	if (w->recycle != RECYCLE_NOT)
		return w->recycle;
	if (limits.memory) {
		worker_look_at_processes(w);
		so_far.memory = w->found.rss_bytes;
	}
	return recycle_due(&limits, &so_far, w->id);
}

static void replace(struct worker *w, enum recycle_reason reason)
{
	static const struct {
		const char *word, *text;
	} of[] = {
		[RECYCLE_STALLED] = { "stalled", "takes no connections" },
		[RECYCLE_UNHEALTHY] = { "check", "fails its check" },
		[RECYCLE_TIME] = { "restart_at", "has reached its restart_at" },
		[RECYCLE_CONNECTIONS] = { "max_connections", "has reached its max_connections" },
		[RECYCLE_MEMORY] = { "max_memory", "has reached its max_memory" },
		[RECYCLE_AGE] = { "max_age", "has reached its max_age" },
	};
	STRBUF(error, 256);

	log_event(LEVEL_INFO, "recycle", LOG_WORKER(w), LOG_STR("reason", of[reason].word),
		  LOG_MSG("%s, and is replaced", of[reason].text));
	if (service_restart_worker(w, &error) < 0)
		log_event(LEVEL_WARN, "recycle", LOG_WORKER(w), LOG_STR("reason", of[reason].word),
			  LOG_MSG("cannot be replaced: %s", error.text));
}

static bool is_bad(enum recycle_reason reason)
{
	return reason == RECYCLE_STALLED || reason == RECYCLE_UNHEALTHY;
}

/* Hung ones that are on their way out need memory: no more than one of each slot. */
static bool one_still_leaves(const struct worker *w)
{
	const struct worker *other;

	return is_bad(w->recycle) &&
	       list_find(other, &service_of(w)->workers, link,
			 other != w && other->slot == w->slot && is_bad(other->recycle));
}

/* A bad one may be out of the round, but not because a person looks at it. */
static bool may_be_replaced(const struct worker *w)
{
	bool by_us = w->state == WORKER_HELD && is_bad(w->recycle);

	return (w->state == WORKER_READY || by_us) &&
	       !(w->held & (HELD_BY_HAND | HELD_BY_STOP | HELD_BY_DEBUG)) && !one_still_leaves(w) &&
	       !worker_is_debugged(w);
}

/* Whether @w goes before @other: bad ones do, then the oldest. */
static bool goes_first(const struct worker *w, const struct worker *other)
{
	if (is_bad(w->recycle) != is_bad(other->recycle))
		return is_bad(w->recycle);
	return w->started_ms < other->started_ms;
}

/*
 * One at a time. The oldest first, as a small limit must not always be the first slot's turn. Those
 * that are well wait until all slots serve.
 */
static void look(struct service *s)
{
	enum recycle_reason reason = RECYCLE_NOT;
	bool all_serve = service_is_ready(s);
	struct worker *first = NULL;

	for (unsigned i = 0; i < s->want; i++) {
		struct worker *w = s->slots[i].current;
		enum recycle_reason due;

		if (!w || (first && !goes_first(w, first)) || !may_be_replaced(w))
			continue;
		due = reason_for(w);
		if (due != RECYCLE_NOT && (all_serve || is_bad(due))) {
			first = w;
			reason = due;
		}
	}
	if (first)
		replace(first, reason);
}

static bool last_one_failed(const struct service *s)
{
	return s->roll_kind == ROLL_RESTART && s->abort_reason[0] &&
	       loop_now(service_loop(s)) - s->rollout_began_ms < PAUSE_MS;
}

static bool any_is_asked(const struct service *s)
{
	const struct worker *w;

	return list_find(w, &s->workers, link, w->recycle && worker_state_is_current(w->state));
}

/* restart_at: each worker that serves then has its turn, as soon as it can. */
static void look_at_clock(struct service *s)
{
	const char *text = s->terms.live->restart_at;
	struct daily_time now = { .unix_s = time(NULL) };
	struct worker *w;
	struct tm tm;
	int at;

	if (!text || units_parse_clock(text, &at) != 0 || !localtime_r(&now.unix_s, &tm))
		return;
	now.day = tm.tm_year * 366 + tm.tm_yday;
	now.minute = tm.tm_hour * 60 + tm.tm_min;
	if (!daily_is_due(&s->restart_at, now, at))
		return;
	list_for_each (w, &s->workers, link)
		if (worker_state_is_current(w->state) && !is_bad(w->recycle))
			w->recycle = RECYCLE_TIME;
}

void service_recycle_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, recycle);
	STRBUF(unused, 256);

	if (!service_has_limits(s) && !any_is_asked(s))
		return;
	look_at_clock(s);
	if (service_check_steering(s, &unused) == 0 && !last_one_failed(s))
		look(s);
	loop_timer_arm(service_loop(s), timer, RECYCLE_LOOK_MS);
}

void recycle_ask(struct worker *w, enum recycle_reason reason)
{
	struct service *s = service_of(w);

	if (w->guest)
		return;
	w->recycle = reason;
	if (reason != RECYCLE_NOT)
		loop_timer_arm(service_loop(s), &s->recycle, 0);
}
