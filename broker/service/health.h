/*
 * health - what it means for a service that the check of a worker fails.
 *
 * A new worker aborts the rollout. One that serves leaves the round, and is replaced, as
 * check_action says; but not if the checks of all fail: then what they check is more likely to be
 * broken than all of them, and they serve on as well as they can.
 */
#pragma once

#include "service/types.h"

void service_worker_checked(struct worker *w);

/* Out of the round with those whose check fails, and back, as far as others are well. */
void service_weigh_checks(struct service *s);
