/*
 * traced - which tracer, if any, a worker has.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/*
 * Whether a debugger, strace(1) or another tracer is attached to a process of @w; *@ret_tracer
 * (may be NULL) is its pid. A tracer that belongs to the worker itself, as in `wrap.0 = strace -f`,
 * counts only while it keeps a process stopped. Reads /proc of every process of the tree.
 */
bool worker_is_traced(const struct worker *w, pid_t *ret_tracer);

/*
 * Whether that is so, or a debugging session lasts, which need not trace (perf). No clock ticks for
 * such a worker, and it is not told to end: see clock.h.
 */
bool worker_is_debugged(const struct worker *w);

/* The same for all workers in a row: looks only at those with a tracer at the last survey. */
bool worker_is_found_debugged(const struct worker *w);

/* Logs, once, that @w waits for its debugger before it ends; again if the broker stops. */
void worker_say_traced(struct worker *w);

/* Adds ": debugged by gdb 4711"; nothing if @tracer is 0. */
void tracer_add_words(pid_t tracer, struct strbuf *out);
