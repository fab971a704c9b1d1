/*
 * announce - the steps of a rollout, in the log and to observers.
 */
#pragma once

#include "core/notice.h"
#include "service/types.h"

/* The one place where the steps of a rollout are announced; @w as roll_phase says, else NULL. */
void service_announce(struct service *s, enum roll_phase phase, const struct worker *w);
