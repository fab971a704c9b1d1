/*
 * stop - ends or pauses a service: it first refuses new clients, then serves the waiting ones, then
 * stops the workers.
 */
#pragma once

#include "service/types.h"

/* Drains all workers, keeps the listeners; ended by the next service_roll(). */
void service_pause(struct service *s);

/* Ends the service. With @drain its workers drain first; otherwise they are told to exit now. */
void service_stop(struct service *s, bool drain);
void service_kill(struct service *s);

/*
 * Ends the service with a drain, but not before the others are ready, or its start_timeout is over:
 * its section may have a new name, and the socket that its app asked for is then asked for again.
 */
void service_hand_over(struct service *s);

bool service_is_gone(const struct service *s); /* stopping, and no worker or connection is left */
