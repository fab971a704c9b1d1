#include "rollout.h"

void rollout_begin(struct rollout *r, enum conf_strategy strategy, unsigned surge, size_t first,
		   size_t of, const bool *has_old)
{
	assert(first + of <= ROLLOUT_MAX && surge > 0);
	*r = (struct rollout){
		.active = true, .strategy = strategy, .surge = surge, .first = first, .of = of
	};
	for (size_t i = 0; i < of; i++)
		r->slots[first + i].old = has_old[i];
}

static bool find(const struct rollout *r, enum rollout_phase phase, bool old, size_t *ret_slot)
{
	for (size_t i = r->first; i < r->first + r->of; i++)
		if (r->slots[i].phase == phase && r->slots[i].old == old) {
			*ret_slot = i;
			return true;
		}
	return false;
}

enum rollout_action rollout_next(struct rollout *r, size_t *ret_slot)
{
	bool stop_first;

	if (!r->active)
		return ROLLOUT_NOTHING;

	if (r->failed) {
		r->active = false;
		return ROLLOUT_ABORTED;
	}
	if (find(r, ROLLOUT_DONE, true, ret_slot)) {
		r->slots[*ret_slot].old = false;
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
	if (find(r, ROLLOUT_RETIRING, false, ret_slot)) {
		r->slots[*ret_slot].phase = ROLLOUT_STARTING;
		return ROLLOUT_START;
	}
	if (r->in_flight >= r->surge || (!find(r, ROLLOUT_PENDING, false, ret_slot) &&
					 !find(r, ROLLOUT_PENDING, true, ret_slot)))
		return ROLLOUT_NOTHING;
	stop_first = r->slots[*ret_slot].old && r->strategy == STRATEGY_STOP_FIRST;
	r->slots[*ret_slot].phase = stop_first ? ROLLOUT_RETIRING : ROLLOUT_STARTING;
	r->in_flight++;
	return stop_first ? ROLLOUT_RETIRE : ROLLOUT_START;
}

static bool is_in(const struct rollout *r, size_t slot, enum rollout_phase phase)
{
	return rollout_has(r, slot) && r->slots[slot].phase == phase;
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
	r->in_flight--;
	r->done++;
}

void rollout_new_failed(struct rollout *r, size_t slot)
{
	if (is_in(r, slot, ROLLOUT_STARTING) || is_in(r, slot, ROLLOUT_PROVING)) {
		r->slots[slot].phase = ROLLOUT_PENDING;
		r->in_flight--;
		r->failed = true;
	} else if (is_in(r, slot, ROLLOUT_DONE)) {
		r->failed = true;
	}
}

void rollout_old_gone(struct rollout *r, size_t slot)
{
	if (rollout_has(r, slot))
		r->slots[slot].old = false;
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
