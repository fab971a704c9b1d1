/*
 * acceptor - takes the connections of one of the broker's own listening sockets: control,
 * metrics, rendezvous. Not of those that are passed on; see listener.h.
 *
 * While descriptors or memory are short the socket is not watched, and looked at again after a
 * while: a connection that cannot be taken would otherwise wake the loop without end.
 */
#pragma once

#include "sys/loop.h"

struct acceptor {
	struct loop *loop; /* NULL: not started */
	struct loop_source source;
	struct loop_timer retry;
	unsigned batch; /* connections that are taken in one turn of the loop */
	/* A connection, close-on-exec and non-blocking: it is the callee's. */
	void (*accepted)(struct acceptor *a, int fd);
};

void acceptor_init(struct acceptor *a, unsigned batch,
		   void (*accepted)(struct acceptor *a, int fd));

/* Begins with the listening, non-blocking @fd, which stays the caller's. 0 or -errno. */
int acceptor_start(struct acceptor *a, struct loop *loop, int fd);

/* Before @fd is closed. Not started: nothing happens. */
void acceptor_stop(struct acceptor *a);
