#include "fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "handoff_rights.h"

int fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align; /* char arrays alone are not aligned for this */
		char buf[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
	} ctl;
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
	struct handoff_received got;

	do
		handoff_receive(sock, buf, size, MSG_CMSG_CLOEXEC | flags, 1, fd_closep, &got);
	while (got.n == -EINTR);
	ret->fd = got.fds[0];
	ret->cut_fds = ret->fd < 0 && (got.flags & MSG_CTRUNC);
	return got.n;
}
