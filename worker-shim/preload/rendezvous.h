/*
 * rendezvous.h - the worker's side of HELLO, WELCOME and REFUSED.
 */
#pragma once

#include "receive.h"
#include "table.h"

/*
 * Says HELLO for @slot, with HANDOFF_HELLO_ADOPT and the slot's channel if @adopt, and waits for
 * the answer. @own is the app's socket, for the broker to see what options it has; -1: the app has
 * not asked for anything just now. 0: WELCOME, the caller owns the descriptors, all close-on-exec,
 * and rx bears the name of this channel. -errno: nothing is left open, and what the app has asked
 * for it is told why not (shim.h).
 */
int rendezvous_meet(const struct slot *slot, bool adopt, int own, struct handoff_meeting *ret);

/*
 * True if the other end of @fd is the broker's rendezvous: the app speaks the protocol itself, and
 * reads from its channel as it is.
 */
bool rendezvous_is_peer(int fd);
