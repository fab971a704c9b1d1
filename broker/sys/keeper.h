/*
 * keeper - what lives on when the broker is killed without a goodbye (SIGKILL, out of memory).
 *
 * The workers then still have the connections that wait in their channels, and those that
 * they are serving; but nobody would ever tell them to end. The keeper is a small process
 * that the broker forks, which knows the workers and waits on a pipe for the broker's end.
 * Then it gives each worker its drain_timeout, then its stop_signal, then SIGKILL after its
 * stop_timeout, and ends itself.
 *
 * It holds a pidfd of each worker from the time when the broker named it, so that no other
 * process that got the number later can be meant; and a copy of the pipe that the worker writes
 * its output into. Without a reader the next line that a worker wrote would end it (SIGPIPE), in
 * the middle of a request; so after the broker's end the keeper reads, and drops, what comes.
 */
#ifndef BROKER_SYS_KEEPER_H
#define BROKER_SYS_KEEPER_H

#include "base/util.h"

struct keeper_entry {
	int32_t pid;	     /* > 1 */
	int32_t stop_signal; /* 0: forget this pid */
	int64_t drain_ms, stop_ms;
};

/*
 * The body of the keeper process, for spawn_helper(). @sock is SOCK_SEQPACKET; each message is a
 * struct keeper_entry, with the read end of the worker's output, if it has one, as descriptor.
 */
int keeper_run(int sock, void *arg);

#endif
