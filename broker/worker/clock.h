/*
 * clock - the deadline of a worker's state, and whether somebody debugs it: then it stands still.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/* Starts the deadline of the state that was just entered. A guest has none. */
void worker_arm(struct worker *w);

/* The deadline of its state runs on, by the settings that are in force now. */
void worker_rearm(struct worker *w);

/* Milliseconds until it passes; -1: none runs. */
int64_t worker_deadline_left(const struct worker *w);

/* For how long from now a worker that has drained is kept for a rollback; 0: it is not. */
int64_t worker_parks_for(const struct worker *w);

/* Sends stop_signal, now or as soon as its debugger detaches. */
void worker_signal_unless_debugged(struct worker *w);

/* True if time is really over. Else it runs again: it is or was debugged, or is parked longer. */
bool worker_time_is_up(struct worker *w);

/*
 * The debugger, strace(1) or other tracer of a process of @w; 0: none. One that belongs to the
 * worker itself, as in `wrap.0 = strace -f`, counts only while it keeps a process stopped. Reads
 * /proc of every process of the tree.
 */
pid_t worker_tracer(const struct worker *w);

/* Also in a debugging session, which need not trace (perf): no clock ticks, no signal comes. */
bool worker_is_debugged(const struct worker *w);

/* The same for all workers in a row: looks only at those with a tracer at the last survey. */
bool worker_is_found_debugged(const struct worker *w);

/* Logs, once, that @w waits for its debugger before it ends; again if the broker stops. */
void worker_say_traced(struct worker *w);

/* Adds ": debugged by gdb 4711"; nothing if @tracer is 0. */
void tracer_add_words(pid_t tracer, struct strbuf *out);
