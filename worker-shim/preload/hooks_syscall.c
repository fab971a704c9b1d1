/*
 * hooks_syscall.c - reading and writing on a listening socket, which nothing good comes of: the
 * kernel says ENOTCONN, EPIPE or EINVAL. On the channel such a call would take a connection and
 * drop it.
 *
 * So the app's own socket answers, which is no more connected than a listener. For every other
 * descriptor this costs a load and a comparison.
 *
 * And syscall(2) as a function: node closes its sockets this way.
 *
 * A call that is hooked under its own name goes to that hook. io_uring is refused: it would
 * accept on a channel what only the hook can take out of it, and runtimes that try it can
 * do without. All others pass through as they are.
 */
#include <stdarg.h>
#include "handoff_kernel.h"
#include "hooks.h"
#include "shim.h"
#include "slot.h"

/* A hook that is libc's function with another descriptor. */
#define ANSWERED(type, name, parameters, ...)                                                      \
	type hook_##name parameters                                                                \
	{                                                                                          \
		real_ready();                                                                      \
		fd = slot_answering(fd);                                                           \
		return real.name(__VA_ARGS__);                                                     \
	}

HOOKS_ANSWERED(ANSWERED)

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

/* --- syscall() ---------------------------------------------------------------------------------
 */

#define CALL(name, ...)                                                                            \
	case SYS_##name:                                                                           \
		return hook_##name(__VA_ARGS__);

/* The hook of @nr, if there is one; else the kernel. */
static long call(long nr, const long *a)
{
	int fd = (int)a[0], i1 = (int)a[1], i2 = (int)a[2], i3 = (int)a[3];
	void *p1 = (void *)a[1], *p2 = (void *)a[2], *p3 = (void *)a[3], *p4 = (void *)a[4];

	/* clang-format off */
	switch (nr) {
	CALL(accept, fd, p1, p2)
	CALL(accept4, fd, p1, p2, i3)
	CALL(bind, fd, p1, (socklen_t)i2)
	CALL(close, fd)
	CALL(close_range, (unsigned)fd, (unsigned)i1, i2)
	CALL(connect, fd, p1, (socklen_t)i2)
	CALL(dup, fd)
#ifdef SYS_dup2 /* newer architectures have dup3 only */
	CALL(dup2, fd, i1)
#endif
	CALL(dup3, fd, i1, i2)
	CALL(epoll_ctl, fd, i1, i2, p3)
	CALL(execve, (void *)a[0], p1, p2)
	CALL(execveat, fd, p1, p2, p3, (int)a[4])
	CALL(fcntl, fd, i1, p2)
	CALL(getpeername, fd, p1, p2)
	CALL(getsockname, fd, p1, p2)
	CALL(getsockopt, fd, i1, i2, p3, p4)
	CALL(listen, fd, i1)
	CALL(recvmsg, fd, p1, i2)
	CALL(sendmsg, fd, p1, i2)
	CALL(setsockopt, fd, i1, i2, p3, (socklen_t)a[4])
	CALL(shutdown, fd, i1)
	CALL(ioctl, fd, (unsigned long)a[1], p2)
	/* clang-format on */
	case SYS_io_uring_setup:
		return refuse(ENOSYS);
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmmsg:
	case SYS_splice:
	case SYS_sendto:
	case SYS_write:
	case SYS_writev:
		fd = slot_answering(fd); /* all that their hooks do */
		return real.syscall(nr, (long)fd, a[1], a[2], a[3], a[4], a[5]);
	}
	return real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Six arguments are read whether given or not, as libc's own syscall() does. */
long hook_syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);

	real_ready();
	return shim.active ? call(nr, a) : real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
