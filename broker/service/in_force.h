/*
 * in_force - the configuration that a service runs on, and the rollback window: workers that a
 * reload has replaced are kept for a while.
 *
 * From the beginning of the rollout on an old worker that has drained is parked instead of told to
 * end. The window begins when the rollout has ended. After an aborted one it is there too: it
 * brings back those that had been replaced.
 */
#pragma once

#include "service/types.h"

/* @conf (whose reference it takes over) and its number are in force from now on. */
void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation);

/* Live settings may have changed: workers are told, and deadlines that run are reckoned again. */
void service_rearm(struct service *s);

void service_window_expired(struct loop_timer *timer); /* rollback::over */

/* A reload to @conf begins: the workers that it replaces may come back. */
void service_keep_for_rollback(struct service *s, const struct service_conf *conf);

/* The rollout has ended, done or aborted: the window begins, if anybody could come back. */
void service_open_window(struct service *s);

/* Nobody comes back: workers that are parked are told to end. */
void service_close_window(struct service *s);

/* Milliseconds for which service_rollback() is possible; -1: it is not. */
int64_t service_rollback_left(const struct service *s);

/* Whether a worker that the last reload has replaced could serve again. */
bool service_any_may_return(const struct service *s);

/* Whether @w, once drained, is kept for a rollback. */
bool service_parks(const struct worker *w);

/* All that may come back serve again, then those in whose slots they are leave. How many did. */
unsigned service_restore_all(struct service *s);

/*
 * Brings back the generation before the last reload. All its workers that still live serve again
 * at once, then the new ones leave. Its configuration and its number of workers are in force
 * again, whatever was set by hand since. Slots whose old worker has ended get a new one. 0; -errno
 * with @error in words and nothing changed: as service_check_steering(); -ENOENT: there is nothing
 * to go back to, or no old worker is left; or the reason why a listener cannot be opened.
 */
int service_rollback(struct service *s, struct strbuf *error);
