/*
 * command - the processes that are started for a service: with its user, directory and environment.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/*
 * Starts the process of @w, whose .pid, .uid and descriptors it fills. 0; -errno, with @error if
 * more is to be said.
 */
int launch_worker(struct worker *w, struct strbuf *error);

/*
 * Starts @words, a command that looks after @w: with the environment of its service,
 * BROKER_SERVICE, BROKER_SLOT, BROKER_WORKER, BROKER_GENERATION, and BROKER_PID, the main process.
 * 0: *@ret_pid leads a session of its own; what it writes, and why it could not be executed, comes
 * out of *@ret_fd, the caller's. -errno with @error.
 */
int launch_helper(const struct worker *w, char *const *words, pid_t *ret_pid, int *ret_fd,
		  struct strbuf *error);

/*
 * Asks the launcher whether the command of @sc can be a worker, and each of its wrappers can be
 * executed, without running them: waits for the answers, at most ten seconds each. 0; -EINVAL with
 * @error: the key, what was found and what to do.
 */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error);
