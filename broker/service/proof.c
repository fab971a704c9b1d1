#include "proof.h"

#include "dispatch/channel.h"
#include "service/fill.h"
#include "service/in_force.h"

/* How often a worker is looked at that is stalled when the probation ends. */
#define PROBATION_LOOK_MS 100

static bool was_given(const struct worker *w)
{
	return list_find(const struct channel, c, &w->taker.channels, link, c->sent);
}

/* No client has come since the rollout began, or none that was given to @w. */
static bool cannot_be_proven(const struct worker *w, int64_t now)
{
	const struct service *s = service_of(w);

	return !was_given(w) && (s->dispatch.ledger.accepted == s->accepted_before ||
				 now - w->ready_ms >= w->conf->proof_wait_ms);
}

bool proof_is_awaited(const struct worker *w)
{
	const struct service *s = service_of(w);

	return worker_is_of_rollout(w) && !w->guest &&
	       s->rollout.slots[w->slot].phase == ROLLOUT_PROVING;
}

/* With many workers and few clients its turn may be far away. */
static void hurry(struct worker *w)
{
	list_for_each (struct channel, c, &w->taker.channels, link)
		if (channel_is_in_round(c) && !c->sent)
			c->endpoint->round.early = &c->member;
}

bool proof_look(struct worker *w, int64_t now)
{
	w->proven = w->proven || taker_taken(&w->taker) > 0;
	if (!proof_is_awaited(w))
		return false;
	if (w->proven || cannot_be_proven(w, now)) {
		rollout_new_proven(&service_of(w)->rollout, w->slot);
	} else if (was_given(w) && now - w->started_ms >= w->conf->start_timeout_ms) {
		service_fail_rollout(w,
				     "listens, but has taken no connection within start_timeout");
	} else {
		if (now > w->ready_ms)
			hurry(w);
		return true;
	}
	service_settle_soon(service_of(w));
	return false;
}

/* --- probation ----------------------------------------------------------------------- */

/* A worker may be busy for a while: only one that stays stalled for start_timeout has failed. */
void service_probation_expired(struct loop_timer *timer)
{
	struct service *s = container_of(timer, struct service, probation);
	int64_t now = loop_now(service_loop(s));
	bool wait = false;

	list_for_each (struct worker, w, &s->workers, link) {
		const struct channel *c;

		if (w->rollout_number != s->rollout_number)
			continue;
		wait |= !w->held && !worker_is_ill(w) && w->check.health.failed;
		/* It takes nothing, though others do. */
		c = list_find(struct channel, it, &w->taker.channels, link, it->shunned);
		wait |= c != NULL;
		if (c && now - c->stalled_since_ms >= w->conf->start_timeout_ms)
			service_fail_rollout(w, "takes no connections while others do");
	}
	if (wait && !s->rollout.failed) {
		loop_timer_arm(service_loop(s), &s->probation, PROBATION_LOOK_MS);
		return;
	}
	rollout_passed(&s->rollout);
	service_settle_soon(s);
}

bool proof_begin_probation(struct service *s)
{
	if (s->roll_kind != ROLL_RELOAD || s->target->probation_ms == 0 ||
	    !service_any_may_return(s)) {
		rollout_passed(&s->rollout);
		return false;
	}
	loop_timer_arm(service_loop(s), &s->probation, s->target->probation_ms);
	return true;
}
