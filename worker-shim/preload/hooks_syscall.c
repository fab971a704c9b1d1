/*
 * hooks_syscall.c - syscall(2) as a function: node closes its sockets this way.
 *
 * A call that is hooked under its own name goes to that hook. io_uring is refused: it would
 * accept on a channel what only the hook can take out of it, and runtimes that try it can
 * do without. All others pass through as they are.
 */
#include "hooks.h"

#include "real.h"
#include "shim.h"
#include "slot.h"

#include <stdarg.h>
#include <sys/syscall.h>

#define NR_IO_URING_SETUP 425 /* the same on every architecture; musl has no name for it */

/* The hook of @nr, if there is one; else the kernel. */
static long call(long nr, const long *a)
{
	int fd = (int)a[0], i1 = (int)a[1], i2 = (int)a[2], i3 = (int)a[3];
	void *p1 = (void *)a[1], *p2 = (void *)a[2], *p3 = (void *)a[3], *p4 = (void *)a[4];

	switch (nr) {
	case SYS_accept:
		return hook_accept(fd, p1, p2);
	case SYS_accept4:
		return hook_accept4(fd, p1, p2, i3);
	case SYS_bind:
		return hook_bind(fd, p1, (socklen_t)i2);
	case SYS_close:
		return hook_close(fd);
	case SYS_close_range:
		return hook_close_range((unsigned)fd, (unsigned)i1, i2);
	case SYS_connect:
		return hook_connect(fd, p1, (socklen_t)i2);
	case SYS_dup:
		return hook_dup(fd);
#ifdef SYS_dup2 /* newer architectures have dup3 only */
	case SYS_dup2:
		return hook_dup2(fd, i1);
#endif
	case SYS_dup3:
		return hook_dup3(fd, i1, i2);
	case SYS_epoll_ctl:
		return hook_epoll_ctl(fd, i1, i2, p3);
	case SYS_execve:
		return hook_execve((void *)a[0], p1, p2);
	case SYS_execveat:
		return hook_execveat(fd, p1, p2, p3, (int)a[4]);
	case SYS_fcntl:
		return hook_fcntl(fd, i1, p2);
	case SYS_getpeername:
		return hook_getpeername(fd, p1, p2);
	case SYS_getsockname:
		return hook_getsockname(fd, p1, p2);
	case SYS_getsockopt:
		return hook_getsockopt(fd, i1, i2, p3, p4);
	case SYS_listen:
		return hook_listen(fd, i1);
	case SYS_recvmsg:
		return hook_recvmsg(fd, p1, i2);
	case SYS_sendmsg:
		return (long)hook_sendmsg(fd, p1, i2);
	case SYS_setsockopt:
		return hook_setsockopt(fd, i1, i2, p3, (socklen_t)a[4]);
	case SYS_shutdown:
		return hook_shutdown(fd, i1);
	case SYS_ioctl:
		return hook_ioctl(fd, (unsigned long)a[1], p2);
	case NR_IO_URING_SETUP:
		return refuse(ENOSYS);
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
	switch (nr) {
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmmsg:
	case SYS_splice:
	case SYS_sendto:
	case SYS_write:
	case SYS_writev:
		a[0] = slot_answering((int)a[0]); /* all that their hooks do */
	}
	return shim.active ? call(nr, a) : real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
