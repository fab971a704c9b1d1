#include "progress.h"

#include "policy/why.h"
#include "service/questions.h"
#include "worker/clock.h"
#include "worker/traced.h"

/* If there are more than these, the text has only their number. */
#define NAMED_MAX 3

static void add_wait(const struct worker *w, struct strbuf *out)
{
	char tracer_name[32] = "";
	pid_t tracer = 0;
	struct why_worker why = {
		.state = w->state,
		.state_ms = loop_now(worker_loop(w)) - w->state_since_ms,
		.left_ms = worker_deadline_left(w),
		.open = (int)w->open,
		.debugged = worker_is_traced(w, &tracer) || (w->held & HELD_BY_DEBUG),
		.tracer_name = tracer_name,
	};

	why.tracer = tracer;
	if (tracer)
		proc_name(tracer, tracer_name, sizeof(tracer_name));
	why_rollout_waits(&why, w->name, out);
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
	const struct worker *w;
	unsigned n = 0;

	list_for_each (w, &s->workers, link) {
		if (!is_waited_for(w) || n++ >= NAMED_MAX)
			continue;
		strbuf_add(out, n > 1 ? ", " : "");
		add_wait(w, out);
	}
	if (n > NAMED_MAX)
		strbuf_addf(out, ", %u more", n - NAMED_MAX);
}
