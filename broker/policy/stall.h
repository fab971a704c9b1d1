/*
 * stall - when a worker that takes no connections is not just busy, but hung.
 *
 * Busy for a while is what a server with one thread is. So that it is hung has to be seen for long:
 * either one connection waits there all the time, or one after the other was tried and left.
 *
 * Owns:   the rule. Never: counts, reads a clock.
 */
#pragma once

#include "base/util.h"

struct stall_facts {
	int64_t limit_ms;   /* stall_action_after */
	int64_t stalled_ms; /* since it took the last one */
	int64_t waits_ms;   /* ... since when some have waited there without a break */
	unsigned n_untaken; /* times that it was given some, and left them */
};

bool stall_is_hang(const struct stall_facts *f);
