/*
 * explain - why a worker failed, in words: the part of a supervisor that people meet when
 * something is wrong.
 */
#pragma once

#include "worker/types.h"

/* Logs why @w, which has not become ready in time, may not have: what it listens on instead. */
void worker_explain_timeout(const struct worker *w);

/* Logs the end of @w in one line: how it ended, and if it should not have, its last words. */
void worker_log_exit(const struct worker *w);
