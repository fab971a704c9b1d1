/*
 * words - a worker in the log: its steps, why it takes them, and why it has failed or ended.
 */
#pragma once

#include "policy/worker_end.h"
#include "worker/types.h"

/* Why what waits at @w is taken back at @ev, for "given to others: ". */
const char *worker_reason(const struct worker *w, enum worker_event ev);

/* Logs that @ev has brought @w from @from to its present state. */
void worker_log_change(const struct worker *w, enum worker_state from, enum worker_event ev);

/* Logs how @w ended, and its last words if it should not have; of a guest, also that it is left. */
void worker_log_exit(const struct worker *w);

/* How @w ended, or is about to. @starting: it has not served. */
/* With `wait = yes`: it has taken what came, and has ended by itself or takes no more. */
bool worker_ended_well(const struct worker *w);

struct worker_end_facts worker_end_facts(const struct worker *w, bool starting);
