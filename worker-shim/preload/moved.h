/*
 * moved.h - connections of a worker that drains go on with others.
 *
 * When a MOVE comes, each connection that the app has accepted is replaced by one end of a pair of
 * Unix sockets, under the same number and with the same registrations in epoll sets. The connection
 * itself and the other end go to the broker's relay (handoff_wire.h), which passes bytes on until
 * the connection is between two requests. It is done in the accept() that has received the MOVE:
 * there is no thread and no signal.
 *
 * Only a connection that waits in one epoll set is replaced. A program that reads in another way,
 * or in a thread that is just blocked there, would not notice it.
 *
 * The end that the app has is bound to a name, which says to this library what getsockname() and
 * getpeername() answer, and to the broker that the worker has a client there.
 */
#pragma once

#include "handoff_wire.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

/* The one that is in no epoll set for a moment: what another thread does with it has to wait. */
extern _Atomic int moved_now;

/*
 * Until @fd is not being replaced: some microseconds, or as long as that thread does not get the
 * processor. A signal handler in the middle of it waits for itself: so not for ever.
 *
 * Who closes @fd first says so in the table (epollset_of()), where moved.c looks after it has set
 * moved_now: so one of the two sees the other.
 */
void moved_wait_for(int fd);

static inline void moved_wait(int fd)
{
	if (__builtin_expect(atomic_load(&moved_now) == fd, 0))
		moved_wait_for(fd);
}

/* Grows with each replacement that begins, once moved_now says whose. */
extern _Atomic unsigned moved_begun;

/*
 * What a call says of @fd, or sets, may be of the connection, or of what stands in its place, while
 * the table says the other thing. So it is asked between these two, and once more if the second
 * says that one was replaced since.
 */
static inline unsigned moved_before(int fd)
{
	unsigned begun = atomic_load(&moved_begun);

	moved_wait(fd);
	return begun;
}

static inline bool moved_since(unsigned begun)
{
	return __builtin_expect(atomic_load(&moved_begun) != begun, 0);
}

/*
 * Replaces all that can be, for about 5 ms. If that is nothing, it goes to another process of the
 * worker, through @rx. Closes @seat. Keeps errno.
 */
void moved_begin(int rx, const struct handoff_move *move, int seat);

/*
 * @fd stands in the place of a connection: the address of its own end, or of its @peer, as the app
 * saw it before. Its length in *@ret; 0: it does not.
 */
socklen_t moved_name(int fd, bool peer, struct sockaddr_storage *ret);
