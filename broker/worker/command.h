/*
 * command - the processes that are started for a service, with its user, directory and environment:
 * workers, and helpers, which find out about a worker: the command of its check, a debugger that
 * says where a hung one stands.
 */
#pragma once

/* Processes of an inetd worker that wait for a connection. */
#define INETD_POOL 8

#include "base/strbuf.h"
#include "sys/spawn.h"
#include "worker/types.h"

/* Starts the process of @w: fills .pid, .uid, descriptors. 0; -errno, perhaps with @error. */
int launch_worker(struct worker *w, struct strbuf *error);

/*
 * Asks the launcher whether the command of @sc can be a worker, and each of its wrappers can be
 * executed, without running them: waits for the answers, at most ten seconds each. 0; -EINVAL with
 * @error: the key, what was found and what to do.
 */
int launch_check(const struct broker *b, const struct service_conf *sc, struct strbuf *error);

/* Whether a process of @sc may gain rights, or is to: see no_new_privs in broker.ini(5). */
bool launch_may_gain(const struct service_conf *sc);

void helper_init(struct helper *h, struct broker *b, struct worker *w);

/*
 * Starts @req. .wrote, with what came out of its status pipe, and .ended are called from the loop;
 * after @limit_ms it is killed. 0; -errno with @error: it was not started. None may run.
 */
int helper_spawn(struct helper *h, const struct spawn_request *req, int64_t limit_ms,
		 struct strbuf *error);

/*
 * Starts @words, a command that looks after the worker: with the environment of its service,
 * BROKER_SERVICE, BROKER_SLOT, BROKER_WORKER, BROKER_GENERATION, and BROKER_PID, the main process.
 * As helper_spawn(), with what it writes.
 */
int helper_start(struct helper *h, char *const *words, int64_t limit_ms, struct strbuf *error);

/* Goes on with one that was started by another program. 0 or -errno. */
int helper_adopt(struct helper *h, const struct kept_helper *k);

/* Kills its processes; .ended is not called. Does nothing if none runs. */
void helper_kill(struct helper *h);

/* @pid was reaped with @status. False: it was another process. */
bool helper_reaped(struct helper *h, pid_t pid, int status);
