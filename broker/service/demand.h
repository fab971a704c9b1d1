/*
 * demand - services with `wait = yes`, whose workers are started when a client comes.
 *
 * While no worker runs, the listeners are armed, and nothing is accepted: that they are readable
 * starts the next. See policy/demand.h.
 */
#pragma once

#include "service/types.h"

void service_wanted(struct dispatch *d); /* dispatch::wanted */

/* Whether one more worker is to be started now. If not, the next client may be waited for. */
bool service_wants_worker(struct service *s);

/* @w, which is of such a service, has left its slot: as it should. */
bool service_ended_well(const struct worker *w);
