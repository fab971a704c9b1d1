/*
 * handoff_rights.h - takes the descriptors out of a received message. It is security-relevant, so
 * it stands here once, for both sides.
 *
 * A peer may attach several control messages, and more descriptors than it should; each that is
 * not taken must be closed, or it piles up until the table is full. What MSG_CTRUNC cut off the
 * kernel has closed already.
 */
#ifndef HANDOFF_RIGHTS_H
#define HANDOFF_RIGHTS_H

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/*
 * Fills @ret_fds, @max long, with the first descriptors of @msg, which recvmsg(2) has filled: the
 * caller's from now on. @close_fd closes every other. Returns how many were taken. Call it once,
 * whatever recvmsg(2) returned but an error.
 */
static inline size_t handoff_take_rights(struct msghdr *msg, int *ret_fds, size_t max,
					 void (*close_fd)(int *fd))
{
	size_t taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < max)
				ret_fds[taken++] = fd;
			else
				close_fd(&fd);
		}
	}
	return taken;
}

#endif
