/*
 * guest - a worker that a person has started by hand, as the worker that it is; how it joins is
 * service/guest.h's.
 */
#ifndef BROKER_WORKER_GUEST_H
#define BROKER_WORKER_GUEST_H

#include "worker/types.h"

/* What becomes of an event that was meant for a worker whose process is ours to end. */
enum worker_event guest_event(enum worker_event ev);

/* Whether what waits in @c stays with the guest: it is let go of, and nobody else could take it. */
bool guest_keeps(const struct channel *c);

/* Logs the end of the guest, or that it is let go of. */
void guest_log_left(const struct worker *w);

/* Its process is not watched any more; for others nothing happens. */
void guest_deinit(struct worker *w);

#endif
