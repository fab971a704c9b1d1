/*
 * flow - flow control of an endpoint: whether its listeners accept, which channels wake it, and
 * which are in its round.
 */
#pragma once

#include "dispatch/types.h"

/* Listeners disarmed, and each message that is taken wakes the dispatcher; or the opposite. */
void endpoint_set_paused(struct endpoint *e, bool paused);

/* Each of the two by itself: with pins, both may be on. */
void endpoint_set_listening(struct endpoint *e, bool listening);
void endpoint_set_wakes(struct endpoint *e, bool wakes);

/* Paused for @ms; then it dispatches. */
void endpoint_pause_for(struct endpoint *e, int64_t ms);

/* Too much is in flight: the same without wake-ups, for longer each time until one was sent. */
void endpoint_rest(struct endpoint *e);

/* No descriptor or memory is left: says so, once, and pauses for a while. */
void endpoint_shortage(struct endpoint *e);

/*
 * If that is what somebody waits for: each process that may run does. Said once, and again only
 * when there was plenty of room since.
 */
void endpoint_say_full(struct endpoint *e);

/* It dispatches in the next turn of the loop. The caller may stand in the middle of a change. */
void endpoint_wake(struct endpoint *e);

/*
 * Adds a channel to the round, or removes it. Does nothing if it is already in, or out. The channel
 * of a taker whose gate is closed stays out.
 */
void endpoint_join(struct endpoint *e, struct channel *c);
void endpoint_leave(struct endpoint *e, struct channel *c);

/*
 * Where @pin leads to, past the gate: the newest, if two of the name overlap in a reload. It is
 * looked for only when the takers have changed.
 */
struct taker *pin_taker(const struct dispatch *d, struct pin *pin);

/* Whether any pin leads to @t. */
bool taker_is_pinned(const struct taker *t);

/* The pins of the service are others than before. */
void endpoint_pins_changed(struct endpoint *e);
