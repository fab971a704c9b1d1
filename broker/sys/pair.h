/*
 * pair - the two sockets of a channel: between the broker and one worker for one listening socket
 * of the app.
 *
 *	broker --tx)======= CONN + descriptor =======(rx-- worker
 *	  also holds a copy of rx
 *
 * The copy of rx is what makes the promise: a connection in flight does not die with the
 * worker, the broker receives it back. Each message goes to exactly one receiver, so
 * that races safely with a worker that is just accepting. And the kernel tells through
 * it how many connections wait, whatever the worker says.
 */
#pragma once

#include "base/util.h"
#include "handoff_name.h"

enum pair_result {
	PAIR_SENT,
	PAIR_FULL, /* no room in this one: try another worker */
	PAIR_BUSY, /* too many descriptors of our user in flight: try later */
	PAIR_GONE, /* nobody can receive it any more: try another worker */
};

enum pair_received { PAIR_RECEIVED, PAIR_EMPTY, PAIR_FAILED };

/* Makes a pair that @queue messages fit in, rx bound to @name. 0: both are the caller's. -errno. */
int pair_open(const struct handoff_name *name, unsigned queue, int *ret_tx, int *ret_rx);

/* Passes @conn_fd on with @conn, without blocking. It stays the caller's, also if it was sent. */
enum pair_result pair_send(int tx, const struct handoff_conn *conn, int conn_fd);

/*
 * Takes the oldest message back. PAIR_RECEIVED: *@ret_conn is filled, *@ret_fd is the caller's.
 * PAIR_EMPTY: there is none. What the worker itself wrote through its copy of tx is dropped, unless
 * it is a TCP connection; a bounded number of times, then PAIR_EMPTY. PAIR_FAILED with *@ret_errno;
 * EMFILE: no free descriptor, the message is still there.
 */
enum pair_received pair_receive(int rx, struct handoff_conn *ret_conn, int *ret_fd, int *ret_errno);

/* Sends a NUDGE, if there is room: what the worker saw in the channel was taken back. */
void pair_nudge(int tx);

/* How many connections wait in the channel, from the kernel. */
unsigned pair_waiting(int rx);

/* Reads a request at the rendezvous, without blocking. The bytes read, 0 at end of file, -errno. */
int rendezvous_receive(int fd, void *buf, size_t size);
