/*
 * real.c - for the blob: what the preload library takes from libc is the system call itself. And
 * the parts of it that see nothing here.
 */
#include <stdarg.h>
#include "handler.h"
#include "libc.h"
#include "preload/environ.h"
#include "preload/real.h"

static int kernel_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)CALL(accept, fd, (long)addr, (long)len);
}

static int kernel_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return (int)CALL(accept4, fd, (long)addr, (long)len, flags);
}

static int kernel_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)CALL(bind, fd, (long)addr, len);
}

static int kernel_close(int fd)
{
	return (int)CALL(close, fd);
}

static int kernel_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)CALL(connect, fd, (long)addr, len);
}

static int kernel_dup(int fd)
{
	return (int)CALL(dup, fd);
}

static int kernel_dup3(int from, int to, int flags)
{
	return (int)CALL(dup3, from, to, flags);
}

/* Not every machine has the call, with which @from and @to may be the same. */
static int kernel_dup2(int from, int to)
{
	if (from == to)
		return CALL(fcntl, from, F_GETFD) < 0 ? -1 : to;
	return kernel_dup3(from, to, 0);
}

static int kernel_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return (int)CALL(epoll_ctl, epfd, op, fd, (long)event);
}

static int kernel_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)CALL(fcntl, fd, cmd, arg);
}

static int kernel_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)CALL(getpeername, fd, (long)addr, (long)len);
}

static int kernel_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return (int)CALL(getsockname, fd, (long)addr, (long)len);
}

static int kernel_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)CALL(getsockopt, fd, level, name, (long)value, (long)len);
}

static int kernel_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	long arg;

	va_start(ap, request);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)CALL(ioctl, fd, (long)request, arg);
}

static int kernel_listen(int fd, int backlog)
{
	return (int)CALL(listen, fd, backlog);
}

static ssize_t kernel_read(int fd, void *buf, size_t n)
{
	return CALL(read, fd, (long)buf, (long)n);
}

static ssize_t kernel_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return CALL(recvmsg, fd, (long)msg, flags);
}

static ssize_t kernel_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return CALL(sendmsg, fd, (long)msg, flags);
}

static int kernel_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)CALL(setsockopt, fd, level, name, (long)value, len);
}

static int kernel_shutdown(int fd, int how)
{
	return (int)CALL(shutdown, fd, how);
}

static long kernel_syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return libc_result(arch_call(nr, a));
}

static ssize_t kernel_write(int fd, const void *buf, size_t n)
{
	return CALL(write, fd, (long)buf, (long)n);
}

/* Those that the blob needs; its linker drops the hooks of all others. */
#define KERNEL(name) .name = kernel_##name
struct real real = {
	KERNEL(accept),	    KERNEL(accept4), KERNEL(bind),	  KERNEL(close),
	KERNEL(connect),    KERNEL(dup),     KERNEL(dup2),	  KERNEL(dup3),
	KERNEL(epoll_ctl),  KERNEL(fcntl),   KERNEL(getpeername), KERNEL(getsockname),
	KERNEL(getsockopt), KERNEL(ioctl),   KERNEL(listen),	  KERNEL(read),
	KERNEL(recvmsg),    KERNEL(sendmsg), KERNEL(setsockopt),  KERNEL(shutdown),
	KERNEL(syscall),    KERNEL(write),
};

enum handoff_backend real_backend = HANDOFF_BACKEND_TRAP;

void real_init(void)
{
	if (trap_params.entry)
		real_backend = HANDOFF_BACKEND_LOADED;
}

/* --- not here ---------------------------------------------------------------------------- */

/* It executes others with the environment that they are given. */
void environ_keep(struct environ_kept *ret)
{
	ret->launcher = trap_params.launcher;
	ret->traps = true;
}
struct environ_kept environ_kept;
