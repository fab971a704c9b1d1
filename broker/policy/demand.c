#include "demand.h"

enum demand_answer demand_answer(const struct demand *d)
{
	if (d->starting)
		return DEMAND_NOTHING;
	if (!d->running)
		return d->clients ? DEMAND_START : DEMAND_SLEEP;
	return d->clients && d->full && d->running < d->wanted ? DEMAND_START : DEMAND_NOTHING;
}

bool demand_ended_well(bool taken, bool clients)
{
	return taken || !clients;
}
