#include "take.h"

#include "handoff_rights.h"
#include "nofile.h"
#include "real.h"

#include <fcntl.h>
#include <limits.h>

/* Broken messages passed over in one call. The broker sends none; a loop needs an end. */
#define TRIES 64

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

int take_conn(int rx, int flags, struct handoff_conn *ret_conn)
{
	int recv_flags = flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0;

	for (int i = 0; i < TRIES; i++) {
		struct handoff_received got;
		union message message;
		int *conn = &got.fds[0];

		if (__builtin_expect(nofile_is_near(), 0) && !has_room(rx, recv_flags))
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
			nofile_received(*conn);
			/* The broker passes connections without O_NONBLOCK: nothing to clear. */
			if (flags & SOCK_NONBLOCK)
				(void)real.fcntl(*conn, F_SETFL, O_RDWR | O_NONBLOCK);
			*ret_conn = message.conn;
			return *conn;
		}
		if (*conn < 0 && is_nudge_for_blocking(rx, &message, got.n))
			return -ECONNABORTED;
		real_closep(conn);
		if (got.flags & MSG_CTRUNC) {
			nofile_look(INT_MAX); /* in spite of it: lost, and looked at from now on */
			return -EMFILE;
		}
	}
	return -ECONNABORTED;
}
