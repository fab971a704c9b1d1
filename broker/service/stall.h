/*
 * stall - a worker that takes no connections, though some wait for it: it is said, what waits is
 * given to others that have room, and once it is hung (policy/recycle.h), stall_command is run, and
 * stall_action done.
 */
#pragma once

#include "service/types.h"

/* What waits in @c, of a worker that serves, has waited too long. @others: some have room. */
void stall_seen(struct channel *c, bool others, int64_t now);

/* It has taken one. */
void stall_over(struct channel *c);
