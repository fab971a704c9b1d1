/*
 * rollout - in which order the workers of a service are replaced.
 *
 *                 start-first
 *   PENDING ------------------------> STARTING --ready--> PROVING --proven--> DONE
 *      |                                 ^  |                |      (then the old one retires)
 *      |  stop-first                     |  +-----failed-----+-> the whole rollout is aborted
 *      +-----------> RETIRING --gone-----+
 *
 * Ready is what the app says: it listens. Proven is what the kernel says: it has taken a
 * connection. Until then the old worker of the slot serves beside the new one.
 *
 * When all are DONE the new workers are on probation: one that fails still aborts the rollout.
 *
 * At most `surge` slots are between PENDING and DONE at a time. Slots without a living
 * worker come first: replacing them costs nothing and restores service soonest.
 *
 * Guarantees: with start-first, no worker is told to leave before its replacement is proven. With
 * stop-first, at most `surge` workers are missing. After a failure, nobody is told to leave.
 */
#pragma once

#include "config/conf.h"

#define ROLLOUT_MAX 1024 /* slots; the option `workers` allows no more */

enum rollout_phase {
	ROLLOUT_PENDING,
	ROLLOUT_RETIRING,
	ROLLOUT_STARTING,
	ROLLOUT_PROVING,
	ROLLOUT_DONE,
};

enum rollout_action {
	ROLLOUT_NOTHING,   /* wait for an event */
	ROLLOUT_START,	   /* start a new worker in the slot */
	ROLLOUT_RETIRE,	   /* tell the slot's old worker to leave */
	ROLLOUT_PROBATION, /* all slots are DONE; said once. rollout_passed() ends it */
	ROLLOUT_FINISHED,  /* passed; said once */
	ROLLOUT_ABORTED, /* a new worker failed; said once. Old ones that live stay, or come back */
};

struct rollout_slot {
	enum rollout_phase phase;
	bool old; /* an old worker lives in it, not told to leave because a new one serves */
};

struct rollout {
	bool active;
	bool failed;
	bool on_probation; /* all are DONE, and may still fail */
	bool passed;
	enum conf_strategy strategy;
	unsigned surge;
	size_t first, of; /* slots to replace: .of them, from .first on */
	size_t in_flight; /* of those RETIRING, STARTING or PROVING */
	size_t done;
	struct rollout_slot slots[ROLLOUT_MAX];
};

/* Begins: @of slots from @first on. @has_old[i]: slot @first + i has a worker to replace. */
void rollout_begin(struct rollout *r, enum conf_strategy strategy, unsigned surge, size_t first,
		   size_t of, const bool *has_old);

/* Whether a rollout is under way that replaces the worker of @slot, or has. */
static inline bool rollout_has(const struct rollout *r, size_t slot)
{
	return r->active && slot >= r->first && slot - r->first < r->of;
}

/* What to do next, to be asked until it is NOTHING; *@ret_slot says where, for START and RETIRE. */
enum rollout_action rollout_next(struct rollout *r, size_t *ret_slot);

void rollout_new_ready(struct rollout *r, size_t slot);
/* It has taken a connection, or nobody came who could be given to it. */
void rollout_new_proven(struct rollout *r, size_t slot);
void rollout_new_failed(struct rollout *r, size_t slot); /* proven or not */
void rollout_old_gone(struct rollout *r, size_t slot);	 /* ended, asked or not */

/* The probation is over, or there is none. */
void rollout_passed(struct rollout *r);

/* Ends it as if a new worker had failed: rollout_next() says ABORTED. */
void rollout_abort(struct rollout *r);
