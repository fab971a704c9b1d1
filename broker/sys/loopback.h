/*
 * loopback - a TCP connection of the broker to itself: a client of its own for one worker.
 */
#pragma once

#include "base/util.h"
#include "handoff_wire.h"

/*
 * Connects to a private listener on 127.0.0.1 or, with @family 6, on [::1], which is closed again.
 * 0: both ends are the caller's, close-on-exec. *@ret_accepted is as accept4(2) gives it, blocking,
 * for a worker; *@ret_own is the client's end, non-blocking, and its address is *@ret_peer. -errno:
 * nothing is left open; -ETIMEDOUT: a packet filter drops it. Waits for 10 ms at most.
 */
int loopback_pair(uint8_t family, int *ret_accepted, int *ret_own, struct handoff_addr *ret_peer);
