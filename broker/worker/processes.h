/*
 * processes - which processes a worker is, and how they are told to end.
 */
#pragma once

#include "worker/types.h"

/* Whether the direct child @pid of the broker belongs to @w, by the kernel's evidence. */
bool worker_owns_child(const struct worker *w, pid_t pid);

/* Fills @ret with every process of the tree. 0; -errno: some may be missing. */
int worker_processes(const struct worker *w, struct pid_set *ret);

/* stop_signal: to main alone, which knows how to end its children; to the rest once it is gone. */
void worker_signal(struct worker *w);
void worker_kill(struct worker *w); /* SIGKILL to every process of the tree */
