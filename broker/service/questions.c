#include "types.h"

#include "dispatch/channel.h"
#include "worker/clock.h"

struct service *service_find(const struct broker *b, const char *name)
{
	struct service *leaving = NULL;

	list_for_each (struct service, s, &b->services, link) {
		if (strcmp(s->name, name) != 0)
			continue;
		/* A section may come back while the old service of its name still drains. */
		if (!s->dispatch.stopping)
			return s;
		leaving = s;
	}
	return leaving;
}

unsigned service_count_well(const struct service *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < ROLLOUT_MAX; i++) {
		const struct worker *w = s->slots[i].current;

		n += w && w->state == WORKER_READY && !taker_stalled_since(&w->taker) &&
		     !worker_is_ill(w);
	}
	return n;
}

bool service_has_round(const struct service *s)
{
	return list_find(const struct worker, w, &s->workers, link,
			 w->state == WORKER_READY && !w->pinned_only);
}

unsigned service_count_started(const struct service *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->want; i++)
		n += s->slots[i].current && s->slots[i].current->state != WORKER_STARTING;
	return n;
}

bool service_slot_has_process(const struct service *s, unsigned slot)
{
	return list_find(const struct worker, w, &s->workers, link, w->slot == slot);
}

bool service_rollout_owns(const struct service *s, size_t slot)
{
	return rollout_has(&s->rollout, slot) && s->rollout.slots[slot].phase != ROLLOUT_DONE;
}

int service_check_steering(const struct service *s, struct strbuf *error)
{
	if (service_leaves(s))
		return strbuf_fail(error, -ESHUTDOWN, "%s is %s", s->name,
				   s->dispatch.stopping ? "ending" : "paused");
	if (s->rollout.active)
		return strbuf_fail(error, -EBUSY,
				   "a %s of %s is under way: wait until it ends, or abort it",
				   roll_kind_name(s->roll_kind), s->name);
	return 0;
}

const char *service_end_text(const struct service *s)
{
	if (s && s->dispatch.paused && !s->dispatch.stopping)
		return "the service was paused or stopped meanwhile";
	return "the service was told to end meanwhile";
}

/* If there are more than these, the text has only their number. */
#define NAMED_MAX 3

static void add_wait(const struct worker *w, struct strbuf *out)
{
	pid_t tracer = worker_tracer(w);
	const struct proc_name name = proc_name(tracer);
	struct why_worker why = {
		.state = w->state,
		.state_ms = loop_now(worker_loop(w)) - w->state_since_ms,
		.left_ms = worker_deadline_left(w),
		.open = (int)w->open,
		.check = w->check.awaited ? w->check.why : NULL,
		.debugged = tracer || (w->held & HELD_BY_DEBUG),
		.tracer = tracer,
		.tracer_name = name.text,
	};

	why_rollout_waits(&why, w->name, out);
}

/* Whether the rollout waits for @w: a new worker that starts, or an old one in the way. */
static bool is_waited_for(const struct worker *w)
{
	const struct service *s = service_of(w);
	bool is_new = w->rollout_number == s->rollout_number;
	enum rollout_phase phase;

	/* A new service has no rollout, and waits for all workers that start. */
	if (!s->rollout_number)
		return w->state == WORKER_STARTING && !w->guest;
	if (!service_rollout_owns(s, w->slot))
		return false;
	phase = s->rollout.slots[w->slot].phase;
	if (phase == ROLLOUT_RETIRING)
		return !is_new;
	return is_new && ((phase == ROLLOUT_STARTING && w->state == WORKER_STARTING) ||
			  (phase == ROLLOUT_PROVING && w->state == WORKER_READY));
}

void service_rollout_text(const struct service *s, struct strbuf *out)
{
	int64_t left = s->probation.at_ms - loop_now(service_loop(s));
	unsigned n = 0;

	if (loop_timer_armed(&s->probation))
		strbuf_addf(out, "the probation of the new workers (%lld s left)",
			    left > 0 ? (long long)(left + MSEC_PER_SEC - 1) / MSEC_PER_SEC : 0);
	list_for_each (const struct worker, w, &s->workers, link) {
		if (!is_waited_for(w) || n++ >= NAMED_MAX)
			continue;
		strbuf_add(out, n > 1 ? ", " : "");
		add_wait(w, out);
	}
	if (n > NAMED_MAX)
		strbuf_addf(out, ", %u more", n - NAMED_MAX);
}
