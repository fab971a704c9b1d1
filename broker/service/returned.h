/*
 * returned - connections that the broker gets in another way than by accept(2): from the relay
 * (move.h), or from a broker that was killed (rescue.h).
 */
#pragma once

#include "service/types.h"

/* The channel with this id, whichever worker it is of; NULL: it is closed. */
struct channel *returned_from(struct broker *b, uint64_t channel);

/*
 * Where connection @fd came in: the endpoint of the listener that fits its own address best; with
 * @port_alone also of one that shares no more than the port, as listeners come and go. *@ret is
 * that listener; NULL: it is closed. NULL: there was none.
 */
struct endpoint *returned_to(struct broker *b, int fd, bool port_alone, struct listener **ret);

/* @fd, which is the broker's now, waits for a worker, as one that @l, or NULL, just accepted. */
void returned_add(struct endpoint *e, const struct listener *l, int fd, bool ahead);
