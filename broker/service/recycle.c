#include "recycle.h"

#include "dispatch/taker.h"
#include "policy/recycle.h"
#include "service/questions.h"
#include "service/roll.h"
#include "sys/log.h"
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

	if (limits.memory) {
		worker_look_at_processes(w);
		so_far.memory = w->found.rss_bytes;
	}
	return recycle_due(&limits, &so_far, w->id);
}

static void replace(struct worker *w, enum recycle_reason reason)
{
	static const char *const words[] = {
		[RECYCLE_CONNECTIONS] = "max_connections",
		[RECYCLE_MEMORY] = "max_memory",
		[RECYCLE_AGE] = "max_age",
	};
	STRBUF(error, 256);

	log_event(LEVEL_INFO, "recycle", LOG_WORKER(w), LOG_STR("reason", words[reason]),
		  LOG_MSG("has reached its %s, and is replaced", words[reason]));
	if (service_restart_worker(w, &error) < 0)
		log_event(LEVEL_WARN, "recycle", LOG_WORKER(w), LOG_STR("reason", words[reason]),
			  LOG_MSG("cannot be replaced: %s", error.text));
}

/* One at a time, the oldest first: a small limit must not always be the first slot's turn. */
static void look(struct service *s)
{
	enum recycle_reason reason = RECYCLE_NOT;
	struct worker *oldest = NULL;

	for (unsigned i = 0; i < s->want; i++) {
		struct worker *w = s->slots[i].current;
		enum recycle_reason due;

		if (w->state != WORKER_READY || w->held ||
		    (oldest && oldest->started_ms <= w->started_ms))
			continue;
		due = reason_for(w);
		if (due != RECYCLE_NOT) {
			oldest = w;
			reason = due;
		}
	}
	if (oldest)
		replace(oldest, reason);
}

static bool last_one_failed(const struct service *s)
{
	return s->roll_kind == ROLL_RESTART && s->abort_reason[0] &&
	       loop_now(service_loop(s)) - s->rollout_began_ms < PAUSE_MS;
}

void service_recycle_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, recycle);
	STRBUF(unused, 256);

	if (!service_has_limits(s))
		return;
	if (service_check_steering(s, &unused) == 0 && service_is_ready(s) && !last_one_failed(s))
		look(s);
	loop_timer_arm(service_loop(s), timer, RECYCLE_LOOK_MS);
}
