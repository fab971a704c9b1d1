#include "real.h"

#include <dlfcn.h>

struct real real;

/*
 * dlsym() gives an object pointer; POSIX promises that it holds a function's
 * address, ISO C has no cast for it. Hence the store through void **.
 */
static void look_up(void *slot, const char *name)
{
	*(void **)slot = dlsym(RTLD_NEXT, name);
}

void real_init(void)
{
	int saved = errno;

	look_up(&real.accept, "accept");
	look_up(&real.accept4, "accept4");
	look_up(&real.bind, "bind");
	look_up(&real.close, "close");
	look_up(&real.connect, "connect");
	look_up(&real.dup, "dup");
	look_up(&real.dup2, "dup2");
	look_up(&real.dup3, "dup3");
	look_up(&real.epoll_ctl, "epoll_ctl");
	look_up(&real.fcntl, "fcntl");
	look_up(&real.getpeername, "getpeername");
	look_up(&real.getsockname, "getsockname");
	look_up(&real.getsockopt, "getsockopt");
	look_up(&real.listen, "listen");
	look_up(&real.setsockopt, "setsockopt");
	look_up(&real.shutdown, "shutdown");
	look_up(&real.syscall, "syscall");
	errno = saved;
}
