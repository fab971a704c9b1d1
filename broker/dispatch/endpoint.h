/*
 * endpoint - the dispatcher: accepts, asks the round or a pin for a worker, and sends. And the way
 * back: what waits at a worker is received again, and dispatched to others.
 */
#pragma once

#include "dispatch/types.h"

/* Of a service without endpoints, listeners, takers yet. */
void dispatch_init(struct dispatch *d, struct broker *b);

/* NULL if there is no memory. */
struct endpoint *endpoint_new(struct dispatch *d, const struct handoff_addr *app_addr);
void endpoint_free(struct endpoint *e); /* refuses what is pending */

/*
 * Sends pending connections, then accepts new ones, a bounded number of times and as long as a
 * worker has room. Pauses or resumes the listeners as needed. True if no connection is left
 * waiting, neither here nor in a backlog.
 */
bool endpoint_dispatch(struct endpoint *e);

/*
 * Everything that waits in @c is received back, and pending from then on: endpoint_wake() gives it
 * to others. Returns how many. @reason: for the log, after "given to others: ".
 */
unsigned endpoint_take_back(struct channel *c, const char *reason);
