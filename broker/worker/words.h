/*
 * words - the steps of a worker in the log, and why it takes them.
 */
#pragma once

#include "policy/worker_end.h"
#include "worker/types.h"

/* Why what waits at @w is taken back at @ev, for "given to others: ". */
const char *worker_reason(const struct worker *w, enum worker_event ev);

/* Logs that @ev has brought @w from @from to its present state. */
void worker_log_change(const struct worker *w, enum worker_state from, enum worker_event ev);

/* How @w ended, or is about to. @starting: it has not served. */
struct worker_end_facts worker_end_facts(const struct worker *w, bool starting);
