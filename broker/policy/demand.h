/*
 * demand - whether a service whose programs are started by clients needs one now.
 *
 * The first client starts one; the next is started when those that run have no room for a client
 * that waits. One starts at a time. A program that has ended is not replaced before somebody comes.
 */
#pragma once

#include "base/util.h"

struct demand {
	unsigned wanted;	    /* at most so many at a time */
	unsigned starting, running; /* current ones */
	bool clients;		    /* some wait, for whatever reason */
	bool full;		    /* no running one has room for them */
};

enum demand_answer {
	DEMAND_NOTHING, /* those that run, or start, see to it */
	DEMAND_SLEEP,	/* none runs: the next client is to be noticed */
	DEMAND_START,	/* one more */
};

static inline enum demand_answer demand_answer(const struct demand *d)
{
	if (d->starting)
		return DEMAND_NOTHING;
	if (!d->running)
		return d->clients ? DEMAND_START : DEMAND_SLEEP;
	return d->clients && d->full && d->running < d->wanted ? DEMAND_START : DEMAND_NOTHING;
}

/*
 * Whether a program that ended with status 0 has done its work. If it has @taken nothing while
 * @clients wait, the next would do the same, and so on without end.
 */
static inline bool demand_ended_well(bool taken, bool clients)
{
	return taken || !clients;
}
