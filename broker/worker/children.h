/*
 * children - the processes of an inetd worker, one for each connection: how they end, and how many
 * there are.
 *
 * What the table says (handoff_process.h) is the worker's word. It is for the log, the metrics and
 * the worker's own share of the service's `processes`.
 */
#pragma once

#include "worker/types.h"

/* Says the ends that are new in the table of @c, and frees their entries. */
void worker_children_look(struct taker *t, struct channel *c);

/* If handoff_processes::debug is @from, it becomes @to. Returns what it was; -1: no table. */
int worker_children_swap_debug(const struct worker *w, int from, int to);

/* What the table says of @pid, also a while after its end. False: nothing. */
bool worker_children_find(const struct worker *w, pid_t pid, struct handoff_process *ret);

/* Those that serve a connection now; *@ret_oldest_ns: since when the oldest does, 0: none. */
unsigned worker_children_running(const struct worker *w, uint64_t *ret_oldest_ns);
