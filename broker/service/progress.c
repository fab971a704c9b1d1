/*
 * How far a rollout is: its steps as events, and what it waits for, in words.
 */
#include <string.h>
#include "service/service.h"
#include "policy/progress.h"
#include "sys/log.h"

const char *roll_kind_name(enum roll_kind kind)
{
	switch (kind) {
	case ROLL_RELOAD:
		return "reload";
	case ROLL_RESTART:
		return "restart";
	}
	return "?";
}

static void add_waits(const struct worker *w, struct progress *progress)
{
	char tracer_name[32] = "";
	pid_t tracer = 0;
	struct progress_wait wait = {
		.worker = w->name,
		.state = w->state,
		.for_ms = loop_now(&w->service->broker->loop) - w->state_since_ms,
		.left_ms = worker_deadline_left(w),
		.open = w->open,
		.tracer_name = tracer_name,
	};

	/* To look costs a little: only at those that will be named. */
	if (progress_has_room(progress)) {
		wait.debugged = worker_is_traced(w, &tracer) || (w->held & HELD_BY_DEBUG);
		wait.tracer = tracer;
	}
	if (tracer)
		proc_name(tracer, tracer_name, sizeof(tracer_name));
	progress_add(progress, &wait);
}

/* Whether the rollout goes on when @w does: a new one that starts, or an old one in the way. */
static bool is_waited_for(const struct worker *w)
{
	const struct service *s = w->service;

	/* A service that is new has none, and waits for all who start. */
	if (!s->roll)
		return w->state == WORKER_STARTING && !w->guest;
	if (!service_rollout_owns(s, w->slot))
		return false;
	switch (s->rollout.slots[w->slot].phase) {
	case ROLLOUT_STARTING:
		return w->roll == s->roll && w->state == WORKER_STARTING;
	case ROLLOUT_RETIRING:
		return w->roll != s->roll;
	case ROLLOUT_PENDING:
	case ROLLOUT_DONE:
		break;
	}
	return false;
}

void service_rollout_text(const struct service *s, struct strbuf *out)
{
	struct progress progress = { .out = out };
	const struct worker *w;

	list_for_each (w, &s->workers, link)
		if (is_waited_for(w))
			add_waits(w, &progress);
	progress_finish(&progress);
}

static void announce_begin(const struct service *s, const struct worker *w)
{
	const char *how = s->rollout.strategy == STRATEGY_START_FIRST
				  ? "each new one ready before an old one leaves"
				  : "each old one gone before its new one starts";

	if (w)
		log_event(LEVEL_INFO, "reload-begin", LOG_STR("service", service_name(s)),
			  LOG_STR("worker", w->name), LOG_STR("kind", roll_kind_name(s->roll_kind)),
			  LOG_INT("generation", s->target_generation), LOG_INT("workers", s->want),
			  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
			  LOG_MSG("replacing it alone, %s", how));
	else
		log_event(LEVEL_INFO, "reload-begin", LOG_STR("service", service_name(s)),
			  LOG_STR("kind", roll_kind_name(s->roll_kind)),
			  LOG_INT("generation", s->target_generation), LOG_INT("workers", s->want),
			  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
			  LOG_MSG("replacing %u worker%s, %s", s->want, s->want == 1 ? "" : "s",
				  how));
}

static void announce_step(const struct service *s, enum roll_phase phase, const struct worker *w)
{
	log_event(LEVEL_INFO, "reload-step", LOG_STR("service", service_name(s)),
		  LOG_STR("worker", w->name), LOG_INT("generation", s->target_generation),
		  LOG_STR("phase", roll_phase_name(phase)), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of),
		  LOG_MSG("%s: %zu of %zu done",
			  phase == ROLL_START	? "its new worker starts"
			  : phase == ROLL_READY ? "its new worker serves"
						: "its old worker leaves",
			  s->rollout.done, s->rollout.of));
}

static void announce_done(const struct service *s)
{
	bool restart = s->roll_kind == ROLL_RESTART;

	log_event(LEVEL_INFO, "reload-done", LOG_STR("service", service_name(s)),
		  LOG_STR("kind", roll_kind_name(s->roll_kind)),
		  LOG_INT("generation", s->target_generation), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of),
		  LOG_INT("ms", loop_now(&s->broker->loop) - s->rollout_began_ms),
		  LOG_MSG("%s", restart ? "the worker is new" : "all workers are new"));
}

static void announce_aborted(const struct service *s)
{
	const char *kind = roll_kind_name(s->roll_kind);
	bool leaves = service_leaves(s);

	/* With the whole service, by somebody's wish: nothing is wrong. */
	log_event(leaves ? LEVEL_WARN : LEVEL_ERROR, "reload-aborted",
		  LOG_STR("service", service_name(s)), LOG_STR("kind", kind),
		  LOG_INT("generation", s->target_generation), LOG_INT("replaced", s->rollout.done),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
		  LOG_STR("reason", s->abort_reason), LOG_STR("output", s->abort_output),
		  LOG_MSG("%s aborted: %s; %zu of %zu workers were replaced%s", kind,
			  s->abort_reason, s->rollout.done, s->rollout.of,
			  leaves ? "" : ", the others go on as they are"));
}

void service_announce(struct service *s, enum roll_phase phase, const struct worker *w)
{
	notice_rollout(s->broker, s, phase, w);
	switch (phase) {
	case ROLL_BEGIN:
		announce_begin(s, w);
		return;
	case ROLL_START:
	case ROLL_READY:
	case ROLL_RETIRE:
		announce_step(s, phase, w);
		return;
	case ROLL_DONE:
		announce_done(s);
		return;
	case ROLL_ABORTED:
		announce_aborted(s);
		return;
	}
}
