/*
 * launch - the process of a worker: its arguments, environment, output, and why it fails.
 */
#ifndef BROKER_WORKER_LAUNCH_H
#define BROKER_WORKER_LAUNCH_H

#include "worker/worker.h"

struct broker;

/* Starts the process of @w and fills its pid and descriptors. 0 or -errno with @error. */
int launch(struct worker *w, struct strbuf *error);

/*
 * Asks the launcher whether the command of @sc can be a worker, and each of its wrappers can be
 * executed, without running them: waits for the answers, at most ten seconds each. 0; -EINVAL with
 * @error: the key, what was found and what to do.
 */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error);

/*
 * Logs why @w, which has not become ready in time, may not have: what it listens on instead.
 */
void launch_explain_timeout(const struct worker *w);

/* Logs the end of @w in one line: how it ended, and if it should not have, its last words. */
void launch_log_exit(const struct worker *w);

#endif
