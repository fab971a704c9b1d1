/*
 * rescue - what a broker that was killed had in its hands: counts and connections that its last
 * state does not name, as no state is written on the path of a connection.
 */
#pragma once

#include "service/types.h"

/* @p waited when the state was written: it is counted when it is found again, here or at a worker.
 */
void rescue_uncount(struct dispatch *d, const struct kept_pending *p);

/*
 * @k is closed. What was given to it counts as taken by its worker: what came back of that is found
 * again, and counts twice.
 */
void rescue_closed(struct dispatch *d, const struct kept_channel *k);

/* Counts what was given to workers after the state was written, as the pages of channels say. */
void rescue_counts(struct broker *b);

/*
 * Whether connection @fd came through a listener. Then it waits for a worker, unless the one that
 * it was being sent to has it; @fd is taken over.
 */
bool rescue_connection(struct broker *b, int fd);
