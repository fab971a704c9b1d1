/*
 * close - listeners go without losing a client: first nobody new is let in, then those that wait
 * are served, then the socket goes.
 */
#pragma once

#include "service/types.h"

/* A @l whose clients were not let in yet goes at once. */
void service_close_gently(struct listener *l);

/*
 * If the file of @l, a Unix socket, was removed by another process, a new listener takes its place.
 * 0; -errno with @error: nobody can connect there.
 */
int service_restore(struct listener *l, struct strbuf *error);

void service_closing_expired(struct loop_timer *timer); /* service::closing_timer */

/* Empties and closes all; with service::closing the workers drain then. */
void service_close_all(struct service *s);
void service_close_now(struct service *s); /* at once: clients that wait are reset */

void service_retire_all(struct service *s, enum worker_event how);
