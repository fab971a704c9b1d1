/*
 * guest - a worker that a person has started by hand, under whatever tool: worker-shim --join.
 *
 *	web.guest.1	its place in the round is behind the slots; its number is never used again
 *
 * It serves like the others. But its process is the person's, and so
 *
 *	- it is never signalled, by the broker or the keeper: what would end another worker lets go
 *	  of a guest, which is then "left to itself";
 *	- it has no deadline, no slot, no restart; it is not counted in `workers` nor waited for,
 *	  and a reload leaves it where it is;
 *	- it leaves by ending. When only its app ends (under a debugger that stays) or closes its
 *	  socket, it is a worker that starts, until the app listens again;
 *	- it may only listen where the service does: it joins endpoints, and makes none.
 */
#ifndef BROKER_SERVICE_GUEST_H
#define BROKER_SERVICE_GUEST_H

#include "service/types.h"

#define GUESTS_MAX 64 /* of one service at a time */

/*
 * The process at the other end of @peer, a connected Unix stream socket, is to be a worker of @s;
 * with @pinned_only outside of the round. 0: *@ret lives until the process ends or the service
 * does. Else @error says why: -EBUSY, the state of the service does not allow it; -errno, it
 * failed.
 */
int guest_join(struct service *s, int peer, bool pinned_only, struct worker **ret,
	       struct strbuf *error);

/* The ports on which @s listens, ascending, as far as there is room; returns how many. */
uint16_t guest_ports(const struct service *s, uint16_t ret[HANDOFF_PORTS_MAX]);

/* As service_endpoint_for(), but among those there are; the port decides. */
int guest_endpoint_for(const struct worker *w, const struct handoff_addr *addr,
		       struct endpoint **ret, struct strbuf *reason);

#endif
