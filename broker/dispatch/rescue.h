/*
 * rescue - what a broker that was killed had in its hands: counts and connections that its last
 * state does not name, as no state is written on the path of a connection.
 */
#pragma once

#include "dispatch/types.h"

/* Counts what was given to the channels of @d after the state was written, as their pages say. */
void dispatch_recount(struct dispatch *d);

/*
 * Whether @fd, a connection, came through a listener of @d. Then it waits for a worker, unless the
 * one that it was being sent to has it; @fd is taken over.
 */
bool dispatch_rescue(struct dispatch *d, int fd);
