/*
 * hooks_io.c - reading and writing on a listening socket, which nothing good comes of: the kernel
 * says ENOTCONN, EPIPE or EINVAL. On the channel such a call would take a connection and drop it.
 *
 * So the app's own socket answers, which is no more connected than a listener. For every other
 * descriptor this costs a load and a comparison.
 */
#include "hooks.h"

#include "real.h"
#include "slot.h"

#include <stdarg.h>
#include <sys/uio.h>

/* A hook that is libc's function with another descriptor. */
#define ANSWERED(type, name, parameters, ...)                                                      \
	type hook_##name parameters                                                                \
	{                                                                                          \
		real_ready();                                                                      \
		fd = slot_answering(fd);                                                           \
		return real.name(__VA_ARGS__);                                                     \
	}

ANSWERED(ssize_t, read, (int fd, void *buf, size_t n), fd, buf, n)
ANSWERED(ssize_t, readv, (int fd, const struct iovec *v, int n), fd, v, n)
ANSWERED(ssize_t, recv, (int fd, void *buf, size_t n, int flags), fd, buf, n, flags)
ANSWERED(ssize_t, recvfrom,
	 (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len), fd, buf,
	 n, flags, from, len)
ANSWERED(int, recvmmsg,
	 (int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout), fd, v, n,
	 flags, timeout)
ANSWERED(ssize_t, splice, (int fd, off_t *at, int to, off_t *to_at, size_t n, unsigned flags), fd,
	 at, to, to_at, n, flags)
ANSWERED(ssize_t, write, (int fd, const void *buf, size_t n), fd, buf, n)
ANSWERED(ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n)
ANSWERED(ssize_t, send, (int fd, const void *buf, size_t n, int flags), fd, buf, n, flags)
ANSWERED(ssize_t, sendto,
	 (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len),
	 fd, buf, n, flags, to, len)

/* What _FORTIFY_SOURCE makes of the first ones, with the size of the buffer. */
ANSWERED(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size), fd, buf, n, size)
ANSWERED(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags), fd, buf, n,
	 size, flags)
ANSWERED(ssize_t, __recvfrom_chk,
	 (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,
	  socklen_t *len),
	 fd, buf, n, size, flags, from, len)

/* linux/sockios.h; the same on every architecture that has a port. */
#define ASK_UNREAD   0x541B /* FIONREAD, SIOCINQ */
#define ASK_UNSENT   0x5411 /* SIOCOUTQ */
#define ASK_UNSENT_1 0x894B /* SIOCOUTQNSD */

int hook_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	real_ready();
	/* FIONBIO and all others mean the channel. */
	if ((request == ASK_UNREAD || request == ASK_UNSENT || request == ASK_UNSENT_1) &&
	    slot_answering(fd) != fd)
		return refuse(EINVAL);
	return real.ioctl(fd, request, arg);
}
