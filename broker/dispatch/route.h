/*
 * route - where the pins of a service lead. The dispatcher asks only if the service has pins.
 *
 * A pinned connection goes straight into the channel of its worker, past the round, if that has
 * room and its gate is not shut; also if its process is stopped, since to wait for one's own
 * request at a breakpoint is what pins are for. If it cannot, it goes round as all others do.
 */
#pragma once

#include "dispatch/types.h"

/*
 * Where a client at @peer is to go, and has room: its channel, with the pin in *@ret_pin. NULL: go
 * round.
 */
struct channel *route_find(struct endpoint *e, const struct handoff_addr *peer,
			   struct pin **ret_pin);

/* Whether any pin leads into a channel of @e that has room. */
bool route_has_room(struct endpoint *e);

/*
 * A held worker may be full of connections that came by the round, which it had no time yet to
 * take. route_find() counts that as room: those are to be taken back before a connection is given
 * to @c.
 */
bool route_must_make_room(struct channel *c);

/* A connection has gone by @pin; that of kind PIN_NEXT is used up. */
void route_used(struct dispatch *d, struct pin *pin);

/* The client at @peer goes round although it has a pin: said in the log once for each pin. */
void route_missed(struct endpoint *e, const struct handoff_addr *peer);

/* Says in the log that @pin is off, for @reason (a word for programs) and in words. */
void route_say_off(const struct dispatch *d, const struct pin *pin, const char *reason,
		   const char *message);
