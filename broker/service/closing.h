/*
 * closing - listeners are closed without losing a client: first nobody new is let in, then those
 * that wait are served, then the socket goes.
 */
#pragma once

#include "service/types.h"

/* Of a new service. */
void service_init_closing(struct service *s);

/* Empties and closes one listener: the configuration does not want it any more. */
void service_close_listener(struct listener *l);

/*
 * Empties and closes all of them, and then asks the workers to leave. @hand_over: not before the
 * others are ready, or start_timeout is over.
 */
void service_close_gently(struct service *s, bool hand_over);

/* Closes all of them now: clients in their backlogs are reset. */
void service_close_now(struct service *s);

/* Asks all workers to leave by @how. */
void service_retire_all(struct service *s, enum worker_event how);
