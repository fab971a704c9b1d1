/*
 * pin - the pins of a service at work: made, taken off, expired, with a word in the log each; and
 * looked up by the dispatcher.
 *
 * A pinned connection goes straight into the channel of its worker, past the round, if that is
 * READY or HELD and has room; a stopped one too, since to wait for one's own request at a
 * breakpoint is what pins are for. If it cannot, it goes round as all others do.
 */
#ifndef BROKER_SERVICE_PIN_H
#define BROKER_SERVICE_PIN_H

#include "service/service.h"

/*
 * Makes @pin, of which a copy is taken; expires_ms is on the clock of loop_now(). One of the same
 * kind and source is replaced. 0; -ENOENT: @s has no worker and no slot of that name; -ENOSPC: the
 * table is full; both with @error in words.
 */
int service_pin(struct service *s, const struct pin *pin, struct strbuf *error);

/* Take off what fits, but for those of debuggers; how many that was. */
unsigned service_unpin_source(struct service *s, const struct pin_source *source);
unsigned service_unpin_worker(struct service *s, const char *worker);
unsigned service_unpin_all(struct service *s);

/* What was made for the generation of @w alone. */
void service_unpin_generation(const struct worker *w, const char *reason);

void service_pins_init(struct service *s);
void service_pins_deinit(struct service *s);

/* --- for the dispatcher, which asks only if the service has pins ------------------------ */

/*
 * Where a client at @peer is to go, and has room: its channel, with the pin in *@ret_pin. NULL: go
 * round.
 */
struct channel *pin_channel(struct endpoint *e, const struct handoff_addr *peer,
			    struct pin **ret_pin);

/*
 * A worker that is held may be full of those who came by the round, and had no time yet to take
 * them. pin_channel() counts that as room. To be called before a connection is given to @c: true
 * if they went back to the pending just now.
 */
bool pin_make_room(struct channel *c);

/* A connection has gone there; one pin of kind PIN_NEXT less. */
void pin_used(struct service *s, struct pin *pin);

/* The client at @peer goes round although it has a pin: said in the log once for each pin. */
void pin_missed(struct endpoint *e, const struct handoff_addr *peer);

/* Whether any pin leads into a channel of @e that has room. */
bool pin_any_room(struct endpoint *e);

/* Whether a pin leads to @w, which can take connections. */
bool worker_is_pinned(const struct worker *w);

#endif
