/*
 * processes - which processes a worker is, what the kernel says of them, how they are told to end.
 */
#pragma once

#include "sys/tree.h"
#include "worker/types.h"

/* Fills @ret with every process of the tree. 0; -errno: some may be missing. */
int worker_processes(const struct worker *w, struct pid_set *ret);

/* Adds those that are ours to look after, from which all others descend: for tree.h. Same result.
 */
int worker_add_roots(const struct worker *w, struct pid_set *ret);

/* Fills w->found with all but .round and .open: with what was found, or from a look at once. */
void worker_set_found(struct worker *w, const struct tree_walk *tree);
void worker_look_at_processes(struct worker *w);

/* drain_signal, if there is one: to main. */
void worker_tell_drain(struct worker *w);

/* stop_signal: to main, or to the rest once it is gone. A thread that still accepts is woken. */
void worker_signal(struct worker *w);
void worker_signal_kin(struct worker *w, const struct pid_set *told); /* ... but for those */
void worker_kill(struct worker *w); /* SIGKILL to every process of the tree; .beyond_us is set */
void worker_wake_expired(struct loop_timer *timer); /* worker::wake */
