/*
 * rescue - what a broker that was killed had in its hands: counts and connections that its last
 * state does not name, as no state is written on the path of a connection.
 */
#pragma once

#include "dispatch/types.h"

/* @p waited when the state was written: it is counted when it is found again, here or at a worker.
 */
void dispatch_uncount(struct dispatch *d, const struct kept_pending *p);

/* Counts what was given to the channels of @d after the state was written, as their pages say. */
void dispatch_recount(struct dispatch *d);

/*
 * Whether @fd, a connection, came through a listener of @d. Then it waits for a worker, unless the
 * one that it was being sent to has it; @fd is taken over.
 */
bool dispatch_rescue(struct dispatch *d, int fd);
