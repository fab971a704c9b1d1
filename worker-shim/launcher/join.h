/*
 * join.h - makes this process a guest: a worker that the broker did not start.
 *
 * The broker knows it by its process, which the exec that follows does not change, and gives it
 * what it gives its own workers: a name, a token, and the way to the rendezvous.
 */
#pragma once

#include "reason.h"

struct join {
	const char *control; /* path of the broker's control socket; NULL: this is no guest */
	const char *service;
	int pinned_only; /* whether it gets connections of pinned sources only */
};

/*
 * Asks the broker, for at most JOIN_TIMEOUT_MS, and puts its answer into the environment.
 * False: the reason says what was wrong. If the process ends without an exec, the broker
 * sees that, and there is nothing to undo.
 */
#define JOIN_TIMEOUT_MS 10000
bool join_broker(const struct join *join);
