/*
 * idle_end - the gentle end of keep-alive connections of workers that drain. A busy one is never
 * closed by its client, and would be cut in a request when drain_timeout is over. So, in the last
 * part of the drain, each is ended between two requests: the app sees an end of file, and closes.
 *
 * The samples come from sock_diag(7), for all connections at once and without a descriptor. Only in
 * the moment of the end the broker copies the descriptor, looks once more, and shuts it down.
 *
 * It takes three descriptors for a service: of a directory of /proc, or of the dump, with a pidfd
 * and the copy. It works in slices of half a millisecond, a quarter of the time at most.
 */
#pragma once

#include "service/types.h"

/* Begins as soon as the time of a worker of @s has come; goes on by itself while one drains. */
void service_end_idle(struct service *s);

void service_idle_end_free(struct service *s);
