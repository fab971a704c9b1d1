/*
 * hooks_syscall.c - syscall(2) as a function: node closes its sockets this way.
 *
 * A call that is hooked under its own name goes to that hook. io_uring is refused: it would
 * accept on a channel what only the hook can take out of it, and runtimes that try it have a
 * way without. All others pass through as they are.
 */
#include "hooks.h"

#include "real.h"
#include "shim.h"

#include <stdarg.h>
#include <sys/syscall.h>

#define NR_IO_URING_SETUP 425 /* the same on every architecture; musl has no name for it */

static int as_int(long arg)
{
	return (int)arg;
}

static void *as_pointer(long arg)
{
	return (void *)arg;
}

static socklen_t as_length(long arg)
{
	return (socklen_t)arg;
}

/* The hook of @nr, if there is one; else the kernel. */
static long call(long nr, const long *a)
{

	switch (nr) {
	case SYS_accept:
		return hook_accept(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
	case SYS_accept4:
		return hook_accept4(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]), as_int(a[3]));
	case SYS_bind:
		return hook_bind(as_int(a[0]), as_pointer(a[1]), as_length(a[2]));
	case SYS_close:
		return hook_close(as_int(a[0]));
	case SYS_close_range:
		return hook_close_range((unsigned)a[0], (unsigned)a[1], as_int(a[2]));
	case SYS_connect:
		return hook_connect(as_int(a[0]), as_pointer(a[1]), as_length(a[2]));
	case SYS_dup:
		return hook_dup(as_int(a[0]));
#ifdef SYS_dup2 /* newer architectures have dup3 only */
	case SYS_dup2:
		return hook_dup2(as_int(a[0]), as_int(a[1]));
#endif
	case SYS_dup3:
		return hook_dup3(as_int(a[0]), as_int(a[1]), as_int(a[2]));
	case SYS_epoll_ctl:
		return hook_epoll_ctl(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]));
	case SYS_fcntl:
		return hook_fcntl(as_int(a[0]), as_int(a[1]), as_pointer(a[2]));
	case SYS_getpeername:
		return hook_getpeername(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
	case SYS_getsockname:
		return hook_getsockname(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
	case SYS_getsockopt:
		return hook_getsockopt(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]),
				       as_pointer(a[4]));
	case SYS_listen:
		return hook_listen(as_int(a[0]), as_int(a[1]));
	case SYS_setsockopt:
		return hook_setsockopt(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]),
				       as_length(a[4]));
	case SYS_shutdown:
		return hook_shutdown(as_int(a[0]), as_int(a[1]));
	case NR_IO_URING_SETUP:
		errno = ENOSYS;
		return -1;
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
	if (shim.active)
		return call(nr, a);
	return real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
