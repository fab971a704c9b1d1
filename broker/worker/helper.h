/*
 * helper - a command that is run to find out about a worker: its check, or a debugger that says
 * where a hung one stands.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

void helper_init(struct helper *h, struct worker *w);

/*
 * Starts @words as launch_helper() does; .wrote and .ended are called from the loop. After
 * @limit_ms it is killed. 0; -errno with @error: it was not started. It must not run.
 */
int helper_start(struct helper *h, char *const *words, int64_t limit_ms, struct strbuf *error);

/* Kills its processes; .ended is not called. Does nothing if none runs. */
void helper_kill(struct helper *h);

/* @pid was reaped with @status. False: it was another process. */
bool helper_reaped(struct helper *h, pid_t pid, int status);
