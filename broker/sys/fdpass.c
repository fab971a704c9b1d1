#include "fdpass.h"

#include "base/fd.h"
#include "handoff_rights.h"

int fdpass_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	assert(n_fds <= HANDOFF_FDS_MAX);
	return handoff_send(sock, data, len, fds, n_fds, MSG_DONTWAIT);
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
