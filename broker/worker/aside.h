/*
 * aside - a command that runs beside a worker to find out about it, such as a debugger that says
 * where a hung one stands. It is started as launch_helper() says. What it writes is taken for
 * output of the worker; with `output = FILE`, too, it goes into the log.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/* It has ended, or (not @in_time) was killed. @output: the last of what it wrote, see lines.h. */
typedef void aside_fn(struct worker *w, bool in_time, int64_t ms, const char *output);

/*
 * Starts @command for @w, {pid} replaced by its main process. @ended is called from the loop once
 * nobody can write into its output any more, or @limit_ms are over; not if the worker is freed
 * before. 0; -errno with @error: it was not started. There is at most one at a time: w->aside.
 */
int aside_start(struct worker *w, char *const *command, int64_t limit_ms, aside_fn *ended,
		struct strbuf *error);

/* Kills it; @ended is not called. Does nothing without one. */
void aside_cancel(struct worker *w);
