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

/*
 * @w has a socket for datagrams, and drains. The kernel does not say whom it serves; but while it
 * does, it runs now and then. When it has not for a while, it has drained.
 */
void service_watch_udp(struct worker *w, int64_t now);

/* @w, which is of such a service, has left its slot: as it should. */
bool service_ended_well(const struct worker *w);
