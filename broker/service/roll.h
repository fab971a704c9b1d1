/*
 * roll - the rolling restart of a service: performs what policy/rollout.c plans, and announces its
 * steps in the log and to observers.
 *
 * That an app listens is a promise. It is proven when it has taken a connection: until then the old
 * worker of its slot serves beside it, and what waits at it for proof_wait is given to others. When
 * all workers are new they are on probation: the old ones are parked, and come back if one fails.
 *
 * Without clients nothing can be proven: the rollout goes on, and the probation is all there is.
 */
#pragma once

#include "service/types.h"

/* Rolls all workers to @conf (takes a reference). During a rollout: once more afterwards. */
void service_roll(struct service *s, struct service_conf *conf);

/*
 * Replaces @w with a new process of the same generation and configuration, in the order of
 * `strategy`. Returns when that has begun. @w must be the current worker of its slot. With
 * start-first, @w keeps serving if the new one does not start. 0; -errno with @error in words:
 * as service_check_steering(), or -EINVAL.
 */
int service_restart_worker(struct worker *w, struct strbuf *error);

/* Ends the rollout under way as failed, and drops the reload behind it. -ENOENT: there is none. */
int service_abort_reload(struct service *s, struct strbuf *error);

/* The service leaves, and a rollout under way ends with it, for the reason @why. */
void service_drop_rollout(struct service *s, const char *why);

/* Goes on with the rollout, as far as it goes without waiting. */
void service_pump(struct service *s);

/* Announces a step of the rollout: of @w, or (NULL) the probation of all. */
void service_announce(const struct service *s, enum roll_phase phase, const struct worker *w);

void service_probation_expired(struct loop_timer *timer); /* service::probation */

/* Whether the rollout under way waits for @w to take a connection. */
bool proof_is_awaited(const struct worker *w);

/* Looks whether @w, which serves, is proven, or will never be. True: look at it again soon. */
bool proof_look(struct worker *w, int64_t now);
