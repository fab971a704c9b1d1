/*
 * health - the health check of a worker: a connection of our own, put into its channel, so that it
 * is this worker that answers; or a command.
 *
 *	our end <== TCP over loopback ==> other end --> channel --> worker
 *
 * It is checked from the moment that it listens: EV_LISTEN comes once it is well. A worker that is
 * held by hand, stopped or debugged is not checked, nor is one that leaves. What that does to a
 * check under way is no result.
 *
 * A connection that the worker has not taken by check_timeout keeps its place in the channel, and
 * the next check waits for it too: there is at most one.
 *
 * An activated program has its listeners before it runs. Without a check of its own it is asked
 * once, whether it takes a connection.
 */
#pragma once

#include "worker/types.h"

bool worker_check_init(struct worker *w); /* false: no memory */
/* Goes on with that of another program. 0 or -errno. */
int worker_check_adopt(struct worker *w, const struct kept_check *k, int64_t next_at_ms);
void worker_check_deinit(struct worker *w);
