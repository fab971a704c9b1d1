/*
 * guest - how a worker that was started by hand differs from others. service/guest.h has how it
 * joins.
 */
#pragma once

#include "worker/types.h"

/* Translates an event that would end a worker of our own into one that fits a guest. */
enum worker_event guest_event(enum worker_event ev);

/* Whether connections that wait in @c stay with the guest: no other worker could take them. */
bool guest_keeps(const struct channel *c);

/* Logs that the guest has ended, or that it is left to itself. */
void guest_log_left(const struct worker *w);

/* Stops watching its process. Does nothing for other workers. */
void guest_deinit(struct worker *w);
