#include "peercred.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include "base/fd.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* What it sent before it went does not matter: it does not wait for an answer. */
static bool is_connected(int sock)
{
	char byte;
	ssize_t n = recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int pidfd_of(int sock, pid_t pid)
{
	socklen_t len = sizeof(int);
	int fd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		return fd;
	if (errno != ENOPROTOOPT)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : fd;
}

int peercred_get(int sock, struct peercred *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	_cleanup_fd_ int pidfd = -1;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.pid <= 1)
		return -ESRCH;
	pidfd = pidfd_of(sock, cred.pid);
	if (pidfd < 0)
		return pidfd;
	if (!is_connected(sock))
		return -ESRCH;
	ret->pid = cred.pid;
	ret->uid = cred.uid;
	ret->pidfd = fd_take(&pidfd);
	return 0;
}
