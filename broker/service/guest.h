/*
 * guest - a worker that was started by hand, under any tool: worker-shim --join.
 *
 *	web.guest.1	its place in the round is after the slots; its number is never reused
 *
 * It serves like the others. But its process does not belong to the broker:
 *
 *	- Neither the broker nor its parent signals it. An event that would end another worker
 *	  releases a guest, which is then "left to itself".
 *	- It has no deadline, no slot and no restart. It is not counted in `workers`, nothing waits
 *	  for it, and a reload leaves it in place.
 *	- It leaves when it exits. If only its app exits (under a debugger that stays) or closes its
 *	  socket, the guest is starting until the app listens again.
 *	- It may listen only where the service does: it joins endpoints and creates none.
 */
#pragma once

#include "service/types.h"

#define GUESTS_MAX 64 /* of one service at a time */

/*
 * The process at the other end of @peer, a connected Unix stream socket, is to be a worker of @s;
 * with @pinned_only outside of the round. 0: *@ret lives until the process or the service ends.
 * Else @error says why: -EBUSY, the state of the service does not allow it; -errno, it failed.
 */
int guest_join(struct service *s, int peer, bool pinned_only, struct worker **ret,
	       struct strbuf *error);

/* Fills in where @s listens, as far as there is room: ports, ascending, and a Unix socket. */
void guest_places(const struct service *s, struct handoff_joined *ret);
