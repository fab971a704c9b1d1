#include "take.h"

#include "handoff_rights.h"
#include "nofile.h"
#include "real.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

/* Room for more descriptors than a message has, so that MSG_CTRUNC means "the table is full". */
#define CONTROL_FDS 4
/* Broken messages passed over in one call. The broker sends none; a loop needs an end. */
#define TRIES 64

struct received {
	ssize_t n; /* as recvmsg() returned it, or -errno */
	int flags;
	bool control; /* there was a control message of any kind */
	int fd;	      /* -1: none came */
	union {
		struct handoff_conn conn;
		unsigned char bytes[HANDOFF_MAX_SIZE];
	} message;
};

static void receive(int rx, int flags, struct received *ret)
{
	union {
		struct cmsghdr align; /* char arrays alone are not aligned for this */
		char buf[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &ret->message, .iov_len = sizeof(ret->message) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};

	ret->n = recvmsg(rx, &msg, flags);
	if (ret->n < 0) {
		ret->n = -errno;
		ret->fd = -1;
		return;
	}
	ret->flags = msg.msg_flags;
	ret->control = msg.msg_controllen > 0 || (msg.msg_flags & MSG_CTRUNC);
	ret->fd = -1;
	(void)handoff_take_rights(&msg, &ret->fd, 1, real_closep);
}

/*
 * Looks at the next message without taking it. A peeked descriptor is really put into the
 * table, so whether it fits is known, not guessed. False: it does not.
 */
static bool has_room(int rx, int recv_flags)
{
	struct received peeked;

	receive(rx, recv_flags | MSG_PEEK, &peeked);
	real_closep(&peeked.fd);
	return peeked.n <= 0 || !(peeked.flags & MSG_CTRUNC);
}

static bool is_conn(const struct received *r)
{
	return r->n > 0 && !(r->flags & MSG_TRUNC) && r->fd >= 0 &&
	       handoff_check(&r->message, (size_t)r->n, HANDOFF_CONN);
}

/* What the app saw was taken back. Only who would wait for it must hear of that. */
static bool is_nudge_for_blocking(int rx, const struct received *r)
{
	return r->n > 0 && r->fd < 0 && handoff_check(&r->message, (size_t)r->n, HANDOFF_NUDGE) &&
	       !(real.fcntl(rx, F_GETFL) & O_NONBLOCK);
}

int take_conn(int rx, int flags, struct handoff_conn *ret_conn)
{
	int recv_flags = flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0;

	for (int i = 0; i < TRIES; i++) {
		struct received got;

		if (__builtin_expect(nofile_is_near(), 0) && !has_room(rx, recv_flags))
			return -EMFILE;
		receive(rx, recv_flags, &got);
		/* The broker's end is gone; what it had sent comes after this error: unix(7). */
		if (got.n == -ECONNRESET)
			continue;
		if (got.n < 0)
			return (int)got.n;
		if (got.n == 0 && !got.control)
			return -EINVAL;
		if (__builtin_expect(is_conn(&got), 1)) {
			nofile_received(got.fd);
			/* The broker passes connections without O_NONBLOCK: nothing to clear. */
			if (flags & SOCK_NONBLOCK)
				(void)real.fcntl(got.fd, F_SETFL, O_RDWR | O_NONBLOCK);
			*ret_conn = got.message.conn;
			return got.fd;
		}
		real_closep(&got.fd);
		if (is_nudge_for_blocking(rx, &got))
			return -ECONNABORTED;
		if (got.flags & MSG_CTRUNC) {
			nofile_look(INT_MAX); /* in spite of it: lost, and looked at from now on */
			return -EMFILE;
		}
	}
	return -ECONNABORTED;
}
