/*
 * handoff_rights.h - sends and receives a message and its descriptors. This is security-relevant,
 * so there is one version, for both sides.
 *
 * A peer may attach several control messages, and more descriptors than it should. Those that
 * are not taken must be closed, or they pile up until the table is full. The kernel has already
 * closed what MSG_CTRUNC cut off.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Closes *@fd if it is open and leaves -1. Keeps errno. */
static inline void handoff_close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

/*
 * Fills @ret_fds, @max long, with the first descriptors of @msg, and gives every other to @rest.
 * Returns how many were taken. After a recvmsg(2) that did not fail they are the caller's: call it
 * once, with a @rest that closes. Lengths that nobody has checked yet, of a message to be sent, do
 * no harm.
 */
static inline size_t handoff_take_rights(struct msghdr *msg, int *ret_fds, size_t max,
					 void (*rest)(int *fd))
{
	const unsigned char *limit = (unsigned char *)msg->msg_control + msg->msg_controllen;
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const unsigned char *bytes = (unsigned char *)c;

		/* None can follow: CMSG_NXTHDR() of glibc before 2.36 would take any length. */
		if (c->cmsg_len > (size_t)(limit - bytes))
			break;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, bytes + at, sizeof(fd));
			if (taken < max)
				ret_fds[taken++] = fd;
			else
				rest(&fd);
		}
	}
	return taken;
}

#define HANDOFF_FDS_MAX 3

/*
 * Sends one message with @n_fds descriptors, at most HANDOFF_FDS_MAX; they stay the caller's.
 * @flags as for sendmsg(2). 0, and with SOCK_SEQPACKET the message went as a whole; -errno.
 */
static inline int handoff_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds,
			       int flags)
{
	union {
		struct cmsghdr align; /* char arrays alone are not aligned for this */
		char buf[CMSG_SPACE(HANDOFF_FDS_MAX * sizeof(int))];
	} control;
	/* sendmsg(2) only reads through iov_base, which POSIX declares without const. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* What one recvmsg(2) gave. */
struct handoff_received {
	ssize_t n;		  /* bytes; -errno */
	int flags;		  /* msg_flags: MSG_TRUNC, MSG_CTRUNC */
	bool control;		  /* a control message came: then 0 bytes are not the end of file */
	int fds[HANDOFF_FDS_MAX]; /* the caller's; -1: no more came */
};

/*
 * One recvmsg(2) from @sock, @flags as for it. At most @max descriptors are taken, the others
 * closed. There is room for one more than HANDOFF_FDS_MAX, so that MSG_CTRUNC on a
 * message with as many means that the table of descriptors is full.
 */
static inline void handoff_receive(int sock, void *buf, size_t size, int flags, size_t max,
				   struct handoff_received *ret)
{
	union {
		struct cmsghdr align; /* char arrays alone are not aligned for this */
		char buf[CMSG_SPACE((HANDOFF_FDS_MAX + 1) * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};

	*ret = (struct handoff_received){ .fds = { -1, -1, -1 } };
	ret->n = recvmsg(sock, &msg, flags);
	if (ret->n < 0) {
		ret->n = -errno;
		return;
	}
	ret->flags = msg.msg_flags;
	ret->control = msg.msg_controllen > 0 || (msg.msg_flags & MSG_CTRUNC);
	(void)handoff_take_rights(&msg, ret->fds, max, handoff_close_fd);
}
