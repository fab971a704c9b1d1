/*
 * terms - what a service tells its workers, as data. Embedded in a service; a worker reads it, and
 * calls nothing of the service but .changed.
 */
#pragma once

#include "dispatch/types.h"
#include "policy/worker_fsm.h"

struct worker;

/* Workers that a rollback may put back are parked, not told to end. */
struct park_terms {
	unsigned undoes;   /* those that made way for this generation; 0: none */
	int64_t window_ms; /* for so long, from the end of the rollout on */
	int64_t until_ms;  /* the end of that, once it has begun; else 0 */
};

struct worker_terms {
	struct broker *broker;
	struct dispatch *dispatch;
	const struct service_conf *live; /* settings that take effect at once */
	struct park_terms park;
	struct histogram started; /* start of a worker until it was ready */
	/*
	 * @ev was applied to @w, which was @from. Records what that means; it starts, stops and
	 * frees nobody before the next turn of the loop. A worker that is DEAD is the service's
	 * to free from then on.
	 */
	void (*changed)(struct worker *w, enum worker_state from, enum worker_event ev);
};
