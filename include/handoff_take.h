/*
 * handoff_take.h - takes a connection out of a channel, as docs/protocol.md asks of a worker. There
 * is one version, for the preload library and for libhandoff.
 *
 * If the table of descriptors is full when a message with a descriptor is received, the kernel
 * closes the descriptor, and the connection is lost. So near the limit a worker peeks first
 * (MSG_PEEK), which costs two more system calls. Far from the limit it must not.
 *
 * The kernel assigns the lowest free number. So a high number means that all lower ones are in use.
 * A low number says nothing about the higher ones: they may all be in use, and this one may have
 * been the last gap. So a process that was near the limit counts as near until high numbers are
 * seen to be free again. "Near" is half the limit: to be missed, a program would have to open the
 * other half between two connections, without closing.
 */
#pragma once

#include "handoff_page.h"
#include "handoff_rights.h"
#include "handoff_wire.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

/* Messages passed over in one call. The broker sends few; a loop needs an end. */
#define HANDOFF_TRIES 64

/* All zero at first but .move. Any number of threads may use it at the same time. */
struct handoff_room {
	/* A MOVE came through @rx, with @seat, which it closes. NULL: that is of no interest. */
	void (*move)(int rx, const struct handoff_move *move, int seat);
	int near_limit;	    /* whether */
	int from;	    /* half the soft limit; 0: not read yet */
	unsigned int count; /* of descriptors received */
};

static inline bool handoff_room_is_short(const struct handoff_room *room)
{
	return __builtin_expect(__atomic_load_n(&room->near_limit, __ATOMIC_RELAXED), 0);
}

/* Reads the limit. @fd is open, or INT_MAX: it did not fit. */
static inline void handoff_room_look(struct handoff_room *room, int fd)
{
	struct rlimit soft;
	int max, is_near, saved = errno;

	if (getrlimit(RLIMIT_NOFILE, &soft) < 0)
		return;
	max = soft.rlim_cur > INT_MAX ? INT_MAX : (int)soft.rlim_cur;
	is_near = fd >= max / 2 || (handoff_room_is_short(room) &&
				    (fcntl(max / 2, F_GETFD) >= 0 || fcntl(max - 1, F_GETFD) >= 0));
	errno = saved;
	__atomic_store_n(&room->from, max / 2, __ATOMIC_RELAXED);
	__atomic_store_n(&room->near_limit, is_near, __ATOMIC_RELAXED);
}

/*
 * @fd was received just now. The limit is read again every 16th time, for programs that change it
 * while they run, and always when it seems near, for those that raise it.
 */
static inline void handoff_room_received(struct handoff_room *room, int fd)
{
	if (__atomic_fetch_add(&room->count, 1, __ATOMIC_RELAXED) % 16 == 0 ||
	    fd >= __atomic_load_n(&room->from, __ATOMIC_RELAXED) || handoff_room_is_short(room))
		handoff_room_look(room, fd);
}

/*
 * Looks at the next message without taking it. A peeked descriptor is really put into the table, so
 * whether it fits is known, not guessed. False: it does not.
 */
static inline bool handoff_has_room(int rx, int flags)
{
	struct handoff_received peeked;
	union handoff_message unused;

	handoff_receive(rx, &unused, sizeof(unused), flags | MSG_PEEK, 1, &peeked);
	handoff_close_fd(&peeked.fds[0]);
	return peeked.n <= 0 || !(peeked.flags & MSG_CTRUNC);
}

/*
 * Takes the next connection from the channel @rx, @flags as for recvmsg(2). Returns the descriptor,
 * which the caller owns, and fills *@ret_conn; or -errno: as recvmsg(2) says; -EINVAL at the end of
 * the channel, -EMFILE if there is no room for a descriptor (the connection stays in the channel),
 * -ENOMSG after a NUDGE, -ECONNABORTED if nothing but broken messages came.
 */
static inline int handoff_take(int rx, int flags, struct handoff_room *room,
			       struct handoff_conn *ret_conn)
{
	for (int i = 0; i < HANDOFF_TRIES; i++) {
		struct handoff_received got;
		union handoff_message message;

		if (handoff_room_is_short(room) && !handoff_has_room(rx, flags))
			return -EMFILE;
		handoff_receive(rx, &message, sizeof(message), flags, 1, &got);
		/* The broker's end is gone; what it had sent comes after this error: unix(7). */
		if (got.n == -ECONNRESET)
			continue;
		if (got.n < 0)
			return (int)got.n;
		if (got.n == 0 && !got.control)
			return -EINVAL;
		if (__builtin_expect(got.fds[0] >= 0, 1) && !(got.flags & MSG_TRUNC) &&
		    handoff_check(&message, (size_t)got.n, HANDOFF_CONN)) {
			handoff_room_received(room, got.fds[0]);
			*ret_conn = message.conn;
			return got.fds[0];
		}
		if (got.fds[0] < 0 && handoff_check(&message, (size_t)got.n, HANDOFF_NUDGE))
			return -ENOMSG;
		if (room->move && got.fds[0] >= 0 &&
		    handoff_check(&message, (size_t)got.n, HANDOFF_MOVE)) {
			room->move(rx, &message.move, got.fds[0]);
			i = -1;
			continue;
		}
		handoff_close_fd(&got.fds[0]);
		if (got.flags & MSG_CTRUNC) {
			/* It is lost; the next ones are peeked at. */
			handoff_room_look(room, INT_MAX);
			return -EMFILE;
		}
	}
	return -ECONNABORTED;
}

/*
 * @fd of @conn was taken. The broker has guessed whether O_NONBLOCK is wanted; mostly it is right,
 * and nothing is to do. What it learns, unless @page is NULL: that, and how long @conn waited. One
 * clock read (in the vdso), two additions.
 */
static inline void handoff_taken(int fd, struct handoff_page *page, const struct handoff_conn *conn,
				 bool nonblock)
{
	uint64_t now_ns;

	if (nonblock != !!(conn->flags & HANDOFF_CONN_NONBLOCK))
		(void)fcntl(fd, F_SETFL, O_RDWR | (nonblock ? O_NONBLOCK : 0));
	if (!page)
		return;
	handoff_page_want_nonblock(page, nonblock);
	if (!conn->listener || !conn->accept_ns)
		return;
	now_ns = handoff_now_ns();
	handoff_page_add(page, now_ns > conn->accept_ns ? now_ns - conn->accept_ns : 0);
}
