/*
 * closing - closes listeners without losing a client: first nobody new is let in, then those that
 * wait are served, then the socket goes.
 */
#pragma once

#include "service/types.h"

void service_closing_expired(struct loop_timer *timer); /* service::closing_timer */

/* Empties and closes one listener: the configuration does not want it any more. */
void service_close_listener(struct listener *l);

/* The same of all; with service::closing the workers drain then. */
void service_close_all(struct service *s);

/* At once: clients that wait are reset. */
void service_close_now(struct service *s);

void service_retire_all(struct service *s, enum worker_event how);
