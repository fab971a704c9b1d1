/*
 * roll - the rolling restart of a service: performs what policy/rollout.c plans, and announces its
 * steps in the log and to observers.
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

/* The one place where the steps of a rollout are announced; @w as roll_phase says, else NULL. */
void service_announce(struct service *s, enum roll_phase phase, const struct worker *w);
