/*
 * wake - a worker that was told to end, and whose threads block in accept.
 *
 * Such an app wakes itself by connecting to its own port. But that is the broker's: another worker
 * gets the connection, or nobody. So the broker makes one in its place, which it closes at once.
 */
#pragma once

#include "worker/types.h"

/* @w was told to end: a thread that still blocks in accept after a while is woken. */
void worker_wake_soon(struct worker *w);

void worker_wake_expired(struct loop_timer *timer); /* worker::wake */
