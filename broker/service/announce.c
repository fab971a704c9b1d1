#include "announce.h"

#include "service/questions.h"
#include "sys/log.h"

static void announce_begin(const struct service *s, const struct worker *w)
{
	const char *how = s->rollout.strategy == STRATEGY_START_FIRST
				  ? "each new one ready before an old one leaves"
				  : "each old worker ends before its new one starts";
	STRBUF(what, 64);

	if (w)
		strbuf_add(&what, "it alone");
	else
		strbuf_addf(&what, "%u worker%s", s->want, s->want == 1 ? "" : "s");
	log_event(LEVEL_INFO, "reload-begin", LOG_STR("service", service_name(s)),
		  LOG_STR("worker", w ? w->name : NULL),
		  LOG_STR("kind", roll_kind_name(s->roll_kind)),
		  LOG_INT("generation", s->target_generation), LOG_INT("workers", s->want),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
		  LOG_MSG("replacing %s, %s", what.text, how));
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

static void announce_probation(const struct service *s)
{
	log_event(LEVEL_INFO, "reload-step", LOG_STR("service", service_name(s)),
		  LOG_INT("generation", s->target_generation),
		  LOG_STR("phase", roll_phase_name(ROLL_PROBATION)),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
		  LOG_MSG("all workers are new; the old ones are kept for another %lld ms, in case "
			  "a new one fails",
			  (long long)s->target->probation_ms));
}

static void announce_done(const struct service *s)
{
	bool restart = s->roll_kind == ROLL_RESTART;

	log_event(LEVEL_INFO, "reload-done", LOG_STR("service", service_name(s)),
		  LOG_STR("kind", roll_kind_name(s->roll_kind)),
		  LOG_INT("generation", s->target_generation), LOG_INT("done", s->rollout.done),
		  LOG_INT("of", s->rollout.of),
		  LOG_INT("ms", loop_now(service_loop(s)) - s->rollout_began_ms),
		  LOG_MSG("%s", restart ? "the worker is new" : "all workers are new"));
}

static void announce_aborted(const struct service *s, unsigned restored)
{
	const char *kind = roll_kind_name(s->roll_kind);
	bool leaves = service_leaves(s);
	STRBUF(rest, 64);

	if (restored)
		strbuf_addf(&rest, ", %u %s put back", restored, restored == 1 ? "was" : "were");
	else if (!leaves)
		strbuf_add(&rest, ", the others go on as they are");
	/* With the whole service, by somebody's wish: nothing is wrong. */
	log_event(leaves ? LEVEL_WARN : LEVEL_ERROR, "reload-aborted",
		  LOG_STR("service", service_name(s)), LOG_STR("kind", kind),
		  LOG_INT("generation", s->target_generation), LOG_INT("replaced", s->rollout.done),
		  LOG_INT("done", s->rollout.done), LOG_INT("of", s->rollout.of),
		  LOG_STR("reason", s->abort_reason), LOG_STR("output", s->abort_output),
		  LOG_INT("restored", restored),
		  LOG_MSG("%s aborted: %s; %zu of %zu workers were replaced%s", kind,
			  s->abort_reason, s->rollout.done, s->rollout.of, rest.text));
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
	case ROLL_PROBATION:
		announce_probation(s);
		return;
	case ROLL_DONE:
		announce_done(s);
		return;
	case ROLL_ABORTED:
		announce_aborted(s, s->restored);
		return;
	}
}
