#include "progress.h"

#include "policy/progress.h"
#include "service/proof.h"
#include "service/questions.h"
#include "worker/clock.h"
#include "worker/traced.h"

static void add_waits(const struct worker *w, struct progress *progress)
{
	char tracer_name[32] = "";
	pid_t tracer = 0;
	struct progress_wait wait = {
		.worker = w->name,
		.state = w->state,
		.for_ms = loop_now(worker_loop(w)) - w->state_since_ms,
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

/* Whether the rollout waits for @w: a new worker that starts, or an old one in the way. */
static bool is_waited_for(const struct worker *w)
{
	const struct service *s = service_of(w);

	/* A new service has no rollout, and waits for all workers that start. */
	if (!s->rollout_number)
		return w->state == WORKER_STARTING && !w->guest;
	if (!service_rollout_owns(s, w->slot))
		return false;
	switch (s->rollout.slots[w->slot].phase) {
	case ROLLOUT_STARTING:
		return w->rollout_number == s->rollout_number && w->state == WORKER_STARTING;
	case ROLLOUT_PROVING:
		return w->rollout_number == s->rollout_number && w->state == WORKER_READY;
	case ROLLOUT_RETIRING:
		return w->rollout_number != s->rollout_number;
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

	if (proof_probation_left(s) >= 0)
		strbuf_addf(out, "the probation of the new workers (%lld s left)",
			    (long long)(proof_probation_left(s) + MSEC_PER_SEC - 1) / MSEC_PER_SEC);
	list_for_each (w, &s->workers, link)
		if (is_waited_for(w))
			add_waits(w, &progress);
	progress_finish(&progress);
}
