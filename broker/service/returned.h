/*
 * returned - connections that the broker gets in another way than by accept(2): from the relay
 * (move.h), or from a broker that was killed (rescue.h).
 */
#pragma once

#include "service/types.h"

/* The channel with this id, whichever worker it is of; NULL: it is closed. */
struct channel *returned_from(struct broker *b, uint64_t channel);

/*
 * The listener that connection @fd came by, as its own address says: the one that fits best; with
 * @port_alone also one that shares no more than the port, as listeners come and go. NULL: none.
 */
struct listener *returned_through(struct broker *b, int fd, bool port_alone);

/* @fd, which is the broker's now, waits for a worker, as one that was just accepted by @listener.
 */
void returned_add(struct endpoint *e, uint32_t listener, int fd, bool ahead);
