/*
 * fill - the right number of workers: what is missing is started, as far as back-off and rollout
 * allow.
 */
#pragma once

#include "service/types.h"

void service_restart_expired(struct loop_timer *timer); /* service::restart */

/* Starts what is missing, as far as back-off and rollout allow. */
void service_fill(struct service *s);

/*
 * @n workers from now on, 1 to ROLLOUT_MAX; until the next reload or rollback. 0; -errno with
 * @error in words and nothing changed: -EINVAL, what service_check_steering() says, or -EMFILE.
 */
int service_set_workers(struct service *s, unsigned n, struct strbuf *error);

/* A worker failed. @doubling: the next start waits, each time twice as long; else it waits little.
 */
void service_back_off(struct service *s, bool doubling);
