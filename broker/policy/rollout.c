#include "rollout.h"

void rollout_begin(struct rollout *r, enum conf_strategy strategy, unsigned surge, size_t n,
		   const bool *has_old)
{
	assert(n <= ROLLOUT_MAX && surge > 0);
	*r = (struct rollout){
		.active = true, .strategy = strategy, .surge = surge, .n = n, .of = n
	};
	for (size_t i = 0; i < n; i++)
		r->slots[i] = (struct rollout_slot){ .phase = ROLLOUT_PENDING, .old = has_old[i] };
}

void rollout_begin_one(struct rollout *r, enum conf_strategy strategy, size_t n, size_t slot)
{
	assert(n <= ROLLOUT_MAX && slot < n);
	*r = (struct rollout){ .active = true, .strategy = strategy, .surge = 1, .n = n, .of = 1 };
	for (size_t i = 0; i < n; i++)
		r->slots[i].phase = ROLLOUT_DONE;
	r->slots[slot] = (struct rollout_slot){ .phase = ROLLOUT_PENDING, .old = true };
}

static bool find_pending(const struct rollout *r, bool old, size_t *ret_slot)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].phase == ROLLOUT_PENDING && r->slots[i].old == old) {
			*ret_slot = i;
			return true;
		}
	return false;
}

static enum rollout_action begin_slot(struct rollout *r, size_t i)
{
	struct rollout_slot *s = &r->slots[i];

	r->in_flight++;
	if (s->old && r->strategy == STRATEGY_STOP_FIRST) {
		s->phase = ROLLOUT_RETIRING;
		return ROLLOUT_RETIRE;
	}
	s->phase = ROLLOUT_STARTING;
	return ROLLOUT_START;
}

enum rollout_action rollout_next(struct rollout *r, size_t *ret_slot)
{
	if (!r->active)
		return ROLLOUT_NOTHING;

	if (r->failed) {
		r->active = false;
		return ROLLOUT_ABORTED;
	}
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].retire) {
			r->slots[i].retire = false;
			*ret_slot = i;
			return ROLLOUT_RETIRE;
		}
	if (r->passed) {
		r->active = false;
		return ROLLOUT_FINISHED;
	}
	if (r->done == r->of && !r->on_probation) {
		r->on_probation = true;
		return ROLLOUT_PROBATION;
	}
	/* A slot whose old worker has gone meanwhile is not counted again. */
	for (size_t i = 0; i < r->n; i++)
		if (r->slots[i].phase == ROLLOUT_RETIRING && !r->slots[i].old) {
			r->slots[i].phase = ROLLOUT_STARTING;
			*ret_slot = i;
			return ROLLOUT_START;
		}
	if (r->in_flight < r->surge &&
	    (find_pending(r, false, ret_slot) || find_pending(r, true, ret_slot)))
		return begin_slot(r, *ret_slot);
	return ROLLOUT_NOTHING;
}

static bool is_in(const struct rollout *r, size_t slot, enum rollout_phase phase)
{
	return r->active && slot < r->n && r->slots[slot].phase == phase;
}

void rollout_new_ready(struct rollout *r, size_t slot)
{
	if (is_in(r, slot, ROLLOUT_STARTING))
		r->slots[slot].phase = ROLLOUT_PROVING;
}

void rollout_new_proven(struct rollout *r, size_t slot)
{
	if (!is_in(r, slot, ROLLOUT_PROVING))
		return;
	r->slots[slot].phase = ROLLOUT_DONE;
	r->slots[slot].retire = r->slots[slot].old;
	r->slots[slot].replaced = true;
	r->in_flight--;
	r->done++;
}

void rollout_new_failed(struct rollout *r, size_t slot)
{
	if (is_in(r, slot, ROLLOUT_STARTING) || is_in(r, slot, ROLLOUT_PROVING)) {
		r->slots[slot].phase = ROLLOUT_PENDING;
		r->in_flight--;
		r->failed = true;
	} else if (is_in(r, slot, ROLLOUT_DONE) && r->slots[slot].replaced) {
		r->failed = true;
	}
}

void rollout_old_gone(struct rollout *r, size_t slot)
{
	if (r->active && slot < r->n) {
		r->slots[slot].old = false;
		r->slots[slot].retire = false;
	}
}

void rollout_passed(struct rollout *r)
{
	r->passed = r->on_probation && !r->failed;
}

void rollout_abort(struct rollout *r)
{
	if (r->active)
		r->failed = true;
}

void rollout_cancel(struct rollout *r)
{
	r->active = false;
}
