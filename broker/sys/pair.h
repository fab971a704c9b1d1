/*
 * pair - what a channel is made of: two sockets, and a page that both sides share (handoff_page.h).
 *
 * The sockets are between the broker and one worker for one listening socket
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

#include <sys/types.h>
#include "base/util.h"
#include "handoff_name.h"
#include "handoff_process.h"
#include "handoff_rights.h"

struct pair_message {
	int fd; /* the first that came, the caller's, close-on-exec; -1: none. Others are closed */
	bool cut_fds; /* a descriptor did not fit into our table: it is lost */
};

/*
 * Receives one message of SOCK_SEQPACKET from any socket, @flags as for recvmsg(2). Its bytes, 0 at
 * end of file, -errno; *@ret is filled in every case.
 */
ssize_t pair_receive_any(int sock, void *buf, size_t size, int flags, struct pair_message *ret);

enum pair_result {
	PAIR_SENT,
	PAIR_FULL, /* no room in this one: try another worker */
	PAIR_BUSY, /* too many descriptors of our user in flight: try later */
	PAIR_GONE, /* nobody can receive it any more: try another worker */
};

enum pair_received { PAIR_RECEIVED, PAIR_EMPTY, PAIR_FAILED };

/*
 * Makes a pair that @queue messages fit in, rx bound to @name, of which .random is chosen here: all
 * of it is to be seen once it is bound, and nobody can have guessed it. 0: both are the caller's.
 * -errno.
 */
int pair_open(struct handoff_name *name, unsigned queue, int *ret_tx, int *ret_rx);

/* Passes @conn_fd on with @conn, without blocking. It stays the caller's, also if it was sent. */
enum pair_result pair_send(int tx, const struct handoff_conn *conn, int conn_fd);

/*
 * Takes the oldest message back. PAIR_RECEIVED: *@ret_conn is filled, *@ret_fd is the caller's.
 * PAIR_EMPTY: there is none. What the worker itself wrote through its copy of tx is dropped, unless
 * it is a TCP connection; a bounded number of times, then PAIR_EMPTY. PAIR_FAILED with *@ret_errno;
 * EMFILE: no free descriptor, the message is still there.
 */
enum pair_received pair_receive(int rx, struct handoff_conn *ret_conn, int *ret_fd, int *ret_errno);

/* Whether @fd is a socket whose @option, of SOL_SOCKET and an int, is @want. */
bool pair_option_is(int fd, int option, int want);

/* Sends a NUDGE, if there is room: what the worker saw in the channel was taken back. */
void pair_nudge(int tx);

/* How many connections wait in the channel, from the kernel. */
unsigned pair_waiting(int rx);

/* Reads a request at the rendezvous, without blocking. The bytes read, 0 at end of file, -errno. */
int rendezvous_receive(int fd, void *buf, size_t size);

/*
 * --- the page --------------------------------------------------------------------------------
 *
 * What is in it is the worker's word: policy/histogram.c says how much of it is believed.
 */

struct page {
	int fd;			  /* owned, to be given away again; -1: there is no page */
	struct handoff_page *map; /* without a page: one that nobody writes anything of use to */
	size_t size;		  /* HANDOFF_PAGE_SIZE, or with a table behind it */
};

extern struct handoff_page page_of_none;
#define PAGE_INIT ((struct page){ .fd = -1, .map = &page_of_none })

/*
 * Makes a page, all zero, with a table of @processes (handoff_process.h; 0: without one), of a size
 * that nobody can change any more: reading it never fails. 0 or -errno, with *@ret untouched.
 */
int page_open(struct page *ret, unsigned processes);
/* Maps that of @fd, which it owns then. 0 or -errno. */
int page_adopt(struct page *ret, int fd, size_t size);
void page_close(struct page *p); /* without a page nothing happens */

/* The counters as they are now. All zero without a page. */
void page_read(const struct page *p, struct handoff_page *ret);
