#include "take.h"

#include "handoff_room.h"
#include "receive.h"

#include <fcntl.h>

/* Broken messages passed over in one call. The broker sends none; a loop needs an end. */
#define TRIES 64

static struct handoff_room room;

static bool is_free(int fd)
{
	_keep_errno_ int saved = errno;

	return real.fcntl(fd, F_GETFD) < 0;
}

union message {
	struct handoff_conn conn;
	unsigned char bytes[HANDOFF_MAX_SIZE];
};

static void receive(int rx, int flags, union message *ret_message, struct handoff_received *ret)
{
	handoff_receive(rx, ret_message, sizeof(*ret_message), flags, 1, real_closep, ret);
}

/*
 * Looks at the next message without taking it. A peeked descriptor is really put into the
 * table, so whether it fits is known, not guessed. False: it does not.
 */
static bool has_room(int rx, int recv_flags)
{
	struct handoff_received peeked;
	union message unused;

	receive(rx, recv_flags | MSG_PEEK, &unused, &peeked);
	real_closep(&peeked.fds[0]);
	return peeked.n <= 0 || !(peeked.flags & MSG_CTRUNC);
}

/* What the app saw was taken back. Only an accept that would wait for it must hear of that. */
static bool is_nudge_for_blocking(int rx, const union message *message, ssize_t n)
{
	return handoff_check(message, (size_t)n, HANDOFF_NUDGE) &&
	       !(real.fcntl(rx, F_GETFL) & O_NONBLOCK);
}

/* The broker has guessed what the app wants here; mostly it is right, and nothing is to do. */
static void set_nonblock(int fd, uint32_t conn_flags, int accept_flags)
{
	bool wanted = accept_flags & SOCK_NONBLOCK;

	if (wanted != !!(conn_flags & HANDOFF_CONN_NONBLOCK))
		(void)real.fcntl(fd, F_SETFL, O_RDWR | (wanted ? O_NONBLOCK : 0));
}

int take_conn(int rx, int flags, struct handoff_conn *ret_conn)
{
	int recv_flags = flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0;

	for (int i = 0; i < TRIES; i++) {
		struct handoff_received got;
		union message message;
		int *conn = &got.fds[0];

		if (handoff_room_is_short(&room) && !has_room(rx, recv_flags))
			return -EMFILE;
		receive(rx, recv_flags, &message, &got);
		/* The broker's end is gone; what it had sent comes after this error: unix(7). */
		if (got.n == -ECONNRESET)
			continue;
		if (got.n < 0)
			return (int)got.n;
		if (got.n == 0 && !got.control)
			return -EINVAL;
		if (__builtin_expect(*conn >= 0, 1) && !(got.flags & MSG_TRUNC) &&
		    handoff_check(&message, (size_t)got.n, HANDOFF_CONN)) {
			handoff_room_received(&room, *conn, is_free);
			set_nonblock(*conn, message.conn.flags, flags);
			*ret_conn = message.conn;
			return *conn;
		}
		if (*conn < 0 && is_nudge_for_blocking(rx, &message, got.n))
			return -ECONNABORTED;
		real_closep(conn);
		if (got.flags & MSG_CTRUNC) {
			/* It is lost; the next ones are peeked at. */
			handoff_room_look(&room, INT_MAX, is_free);
			return -EMFILE;
		}
	}
	return -ECONNABORTED;
}
