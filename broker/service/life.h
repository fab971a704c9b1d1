/*
 * life - a service begins; what a change of a worker means for it; and it pauses, stops or ends
 * without losing a client: its listeners are closed as open.h says, or stay, and then its workers
 * leave.
 *
 * A change of a worker is recorded at once: in the slot, in the rollout, in the back-off. Acting on
 * it waits for the next turn of the loop, where the service settles, in this order: the dead are
 * freed, the rollout goes on, what is missing is started. So nothing that a worker reports starts,
 * stops or frees another in the middle of whatever brought the report.
 */
#pragma once

#include "service/types.h"

/* NULL: no memory. Takes a reference to @conf. Nothing is started yet. */
struct service *service_new(struct broker *b, struct service_conf *conf);
void service_free(struct service *s); /* no worker may be left */

/* Drains all workers, keeps the listeners; ended by the next service_roll(). */
void service_pause(struct service *s);

/*
 * Ends the service. @how its workers leave: EV_RETIRE, they drain once the waiting clients are
 * served; EV_STOP, they are told to exit now, and EV_KILL, killed: what waits is reset.
 */
void service_stop(struct service *s, enum worker_event how);

/* The same, but the service stays: the next service_roll() opens its listeners and starts it. */
void service_stop_by_hand(struct service *s, enum worker_event how);

/*
 * Ends the service with a drain, but not before the others are ready, or its start_timeout is over:
 * its section may have a new name, and the socket that its app asked for is then asked for again.
 */
void service_hand_over(struct service *s);

bool service_is_gone(const struct service *s); /* stopping, and no worker or connection is left */
