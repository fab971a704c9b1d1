/*
 * proof - what a new worker has to show before the old ones are let go.
 *
 * That an app listens is a promise. It is proven when it has taken a connection: until then the old
 * worker of its slot serves beside it, and what waits at it for proof_wait is given to others. When
 * all workers are new they are on probation: the old ones are parked, and come back if one fails.
 *
 * Without clients nothing can be proven: the rollout goes on, and the probation is all there is.
 */
#pragma once

#include "service/types.h"

void service_probation_expired(struct loop_timer *timer); /* service::probation */

/* Whether the rollout under way waits for @w to take a connection. */
bool proof_is_awaited(const struct worker *w);

/* Looks whether @w, which serves, is proven, or will never be. True: look at it again soon. */
bool proof_look(struct worker *w, int64_t now);

/* All workers are new. False: the rollout is passed at once, as nobody could come back. */
bool proof_begin_probation(struct service *s);
