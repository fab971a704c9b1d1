/*
 * join.h - makes this process a guest: a worker that the broker did not start.
 *
 * The broker knows it by its process, which the exec that follows does not change, and gives it
 * what it gives its own workers: a name, a token, and the way to the rendezvous.
 */
#pragma once

#include <stdbool.h>

/*
 * Asks the broker at its socket @control for a place in @service, for at most JOIN_TIMEOUT_MS, and
 * puts the answer into the environment. @pinned_only: one for connections of pinned sources alone.
 * False: the reason (reason.h) says what was wrong. If the process ends without an exec, the broker
 * sees that, and there is nothing to undo.
 */
#define JOIN_TIMEOUT_MS 10000
bool join_broker(const char *control, const char *service, bool pinned_only);
