/*
 * settle - what a change of a worker means for its service.
 *
 * It is recorded at once: in the slot, in the rollout, in the back-off. Acting on
 * it waits for the next turn of the loop, where the service settles, in this order: the dead are
 * freed, the rollout goes on, what is missing is started. So nothing that a worker reports starts,
 * stops or frees another in the middle of whatever brought the report.
 */
#pragma once

#include "service/types.h"

/* Of a new service: its workers report here. */
void service_init_settle(struct service *s);
