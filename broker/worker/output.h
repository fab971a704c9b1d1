/*
 * output - what comes out of a worker: the word of its launcher on the status pipe, which is read
 * when that has ended, and what the app writes to its standard output and error.
 */
#pragma once

#include "base/strbuf.h"
#include "sys/user.h"
#include "worker/types.h"

void worker_output_init(struct worker *w);

/*
 * Where its output goes: *@ret_child for it, -1: as the broker's own. w->output_fd is our end, if
 * there is something to read. @ids: of its processes. 0; -errno, with @error if more is to be said.
 */
int worker_output_open(struct worker *w, const struct spawn_ids *ids, int *ret_child,
		       struct strbuf *error);

/* @text is why it was refused; empty: it was not. */
void worker_output_refused(struct worker *w, const char *text);

/* Takes @bytes for its output. */
void worker_output_feed(struct worker *w, const char *bytes, size_t n);
void worker_output_read_last(struct worker *w); /* main has ended: what is still in the pipes */

/* Before its processes are forgotten: what they have written is theirs. Mostly costs nothing. */
void worker_output_before_end(struct worker *w);

/* w->lines gets the end of its file, if it has one: from its start on, others' lines among them. */
void worker_output_look(struct worker *w);

/* Where its output goes, if w->lines cannot have it; else NULL. */
const char *worker_output_elsewhere(const struct worker *w);
void worker_output_deinit(struct worker *w);
