/*
 * recycle - workers that are replaced: they are hung, fail their check, or have lived long enough
 * (max_connections, max_age, max_memory, restart_at). One at a time, each new one ready before its
 * old one leaves. One that is held by hand, stopped or debugged waits for the end of that. After a
 * replacement that did not start the next try comes a minute later.
 *
 * A worker that takes no connections, though some wait for it: it is said, what waits is given to
 * others that have room, and once it is hung (policy/recycle.h), stall_command is run, and
 * stall_action done.
 *
 * A new worker that fails its check aborts the rollout. One that serves leaves the round, and is
 * replaced, as check_action says; but not if the checks of all fail: then what they check is more
 * likely to be broken than all of them, and they serve on as well as they can.
 */
#pragma once

#include "service/types.h"

/* What waits in @c, of a worker that serves, has waited too long. @others: some have room. */
void stall_seen(struct channel *c, bool others, int64_t now);
void stall_over(struct channel *c); /* it has taken one */

/* The end of a stall_command that another program has started is heard of, too. */
void recycle_resume(struct worker *w);

/* Does what the checks of the workers of @s call for. */
void service_weigh_checks(struct service *s);

void service_recycle_expired(struct loop_timer *timer); /* service::recycle */
