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

struct args {
	long a[6];
};

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

/* True if @nr is one of ours; *@ret is the result then, with errno set by the hook. */
static bool hooked(long nr, const struct args *args, long *ret)
{
	const long *a = args->a;

	switch (nr) {
	case SYS_accept:
		*ret = hook_accept(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
		return true;
	case SYS_accept4:
		*ret = hook_accept4(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]), as_int(a[3]));
		return true;
	case SYS_bind:
		*ret = hook_bind(as_int(a[0]), as_pointer(a[1]), as_length(a[2]));
		return true;
	case SYS_close:
		*ret = hook_close(as_int(a[0]));
		return true;
	case SYS_close_range:
		*ret = hook_close_range((unsigned)a[0], (unsigned)a[1], as_int(a[2]));
		return true;
	case SYS_connect:
		*ret = hook_connect(as_int(a[0]), as_pointer(a[1]), as_length(a[2]));
		return true;
	case SYS_dup:
		*ret = hook_dup(as_int(a[0]));
		return true;
#ifdef SYS_dup2 /* newer architectures have dup3 only */
	case SYS_dup2:
		*ret = hook_dup2(as_int(a[0]), as_int(a[1]));
		return true;
#endif
	case SYS_dup3:
		*ret = hook_dup3(as_int(a[0]), as_int(a[1]), as_int(a[2]));
		return true;
	case SYS_epoll_ctl:
		*ret = hook_epoll_ctl(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]));
		return true;
	case SYS_fcntl:
		*ret = hook_fcntl(as_int(a[0]), as_int(a[1]), as_pointer(a[2]));
		return true;
	case SYS_getpeername:
		*ret = hook_getpeername(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
		return true;
	case SYS_getsockname:
		*ret = hook_getsockname(as_int(a[0]), as_pointer(a[1]), as_pointer(a[2]));
		return true;
	case SYS_getsockopt:
		*ret = hook_getsockopt(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]),
				       as_pointer(a[4]));
		return true;
	case SYS_listen:
		*ret = hook_listen(as_int(a[0]), as_int(a[1]));
		return true;
	case SYS_setsockopt:
		*ret = hook_setsockopt(as_int(a[0]), as_int(a[1]), as_int(a[2]), as_pointer(a[3]),
				       as_length(a[4]));
		return true;
	case SYS_shutdown:
		*ret = hook_shutdown(as_int(a[0]), as_int(a[1]));
		return true;
	case NR_IO_URING_SETUP:
		errno = ENOSYS;
		*ret = -1;
		return true;
	}
	return false;
}

/* Six arguments are read whether given or not, as libc's own syscall() does. */
long hook_syscall(long nr, ...)
{
	struct args args;
	va_list ap;
	long ret;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		args.a[i] = va_arg(ap, long);
	va_end(ap);

	real_ready();
	if (shim.active && hooked(nr, &args, &ret))
		return ret;
	return real.syscall(nr, args.a[0], args.a[1], args.a[2], args.a[3], args.a[4], args.a[5]);
}
