/*
 * idle_end - the gentle end of keep-alive connections of workers that drain. A busy one is never
 * closed by its client, and would be cut in a request when drain_timeout is over. So, in the last
 * part of the drain, each is ended between two requests: the app sees an end of file, and closes.
 *
 * The broker copies the descriptors of the worker one after the other, for some microseconds each,
 * and looks at them by policy/idle.h. It takes three descriptors for a service: a directory of
 * /proc, a pidfd and the copy. It works in slices, and rests after each (policy/pace.h). A dump of
 * sock_diag(7) would save the copies, but walks through all sockets at once.
 */
#pragma once

#include "service/types.h"

/* From when on in a drain; INT64_MAX: never. */
int64_t idle_end_begins_ms(const struct service_conf *live);

/* Begins as soon as the time of a worker of @s has come; goes on by itself while one drains. */
void service_end_idle(struct service *s);

void service_idle_end_expired(struct loop_timer *timer); /* idle_end::step */
void idle_end_deinit(struct idle_end *e);
