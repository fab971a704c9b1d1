/*
 * keeper - the process that survives when the broker is killed (SIGKILL, out of memory).
 *
 * The workers then still have the connections that wait in their channels, and those that
 * they are serving, but nothing would ever tell them to exit. The keeper is a small process
 * that the broker forks. It knows the workers, and waits on a pipe for the end of the broker.
 * Then it gives each worker its drain_timeout, then stop_signal, then SIGKILL after
 * stop_timeout, and exits.
 *
 * It holds a pidfd of each worker from the moment when the broker names the worker, so that it
 * sees it end, and cannot hit another process that later gets the same pid. It also holds a copy of
 * the worker's output pipe. Without a reader, SIGPIPE would kill a worker at its next line of
 * output, in the middle of a request. So after the broker's end the keeper reads and drops the
 * output.
 *
 * Of root's rights it keeps the one to signal processes of other users, and can gain no more.
 */
#pragma once

#include "base/util.h"

struct keeper_entry {
	int32_t pid; /* > 1 */
	int32_t stop_signal;
	int64_t drain_ms, stop_ms;
};

/*
 * The body of the keeper process, for spawn_helper(): it ends with 0 or an errno. @sock is
 * SOCK_SEQPACKET; each message names a worker, with the read end of its output, if it has one, as
 * descriptor.
 */
int keeper_run(int sock);
