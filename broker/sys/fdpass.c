#include "fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "handoff_rights.h"

/* A char array alone would not be aligned as CMSG_* wants it. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union control ctl;
	/* sendmsg(2) only reads through iov_base, which POSIX declares without const. */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > 0) {
		struct cmsghdr *c;

		assert(n_fds <= FDPASS_MAX);
		memset(&ctl, 0, sizeof(ctl));
		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

ssize_t fdpass_receive(int sock, void *buf, size_t size, int flags, struct fdpass_received *ret)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	union control ctl;
	struct msghdr msg;
	ssize_t n;

	*ret = (struct fdpass_received){ .fd = -1 };
	do {
		msg = (struct msghdr){ .msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = ctl.buf,
				       .msg_controllen = sizeof(ctl.buf) };
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	(void)handoff_take_rights(&msg, &ret->fd, 1, fd_closep);
	ret->cut_fds = ret->fd < 0 && (msg.msg_flags & MSG_CTRUNC);
	return n;
}
