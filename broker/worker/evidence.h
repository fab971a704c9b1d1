/*
 * evidence - what the kernel says of the processes of a worker: open connections, memory, processor
 * time, tracers.
 */
#pragma once

#include "sys/sockdiag.h"
#include "worker/types.h"

/*
 * How many of @connections the processes of @w hold. Negative: some process could not be read, so
 * nothing is known.
 */
int worker_count_connections(const struct worker *w, const struct inode_set *connections);

/* Fills w->found with all but .round and .open. */
void worker_look_at_processes(struct worker *w);
