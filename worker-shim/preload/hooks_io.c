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
