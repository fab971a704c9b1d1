/*
 * acceptor - takes the connections of one of the broker's own listening sockets: control,
 * metrics, rendezvous. Not of those that are passed on; see listener.h.
 *
 * While descriptors or memory are short the socket is not watched, and looked at again after a
 * while: a connection that cannot be taken would otherwise wake the loop without end.
 */
#pragma once

#include "sys/loop.h"

/* All zero: not started. */
struct acceptor {
	struct loop *loop;
	struct loop_source source;
	struct loop_timer retry;
	unsigned batch;
	void (*accepted)(struct acceptor *a, int fd);
};

/*
 * Begins with the listening, non-blocking @fd, which stays the caller's. In one turn of the loop at
 * most @batch connections are taken. @accepted gets each, close-on-exec and non-blocking: it is the
 * callee's. 0 or -errno.
 */
int acceptor_start(struct acceptor *a, struct loop *loop, int fd, unsigned batch,
		   void (*accepted)(struct acceptor *a, int fd));

/* Before @fd is closed. Not started: nothing happens. */
void acceptor_stop(struct acceptor *a);
