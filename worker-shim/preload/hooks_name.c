/*
 * hooks_name.c - what a socket says of itself: names and options.
 */
#include "hooks.h"

#include "addr.h"
#include "real.h"
#include "shim.h"
#include "slot.h"

HOOK(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len))
{
	struct slot *slot;

	real_ready();
	slot = slot_at(fd);
	if (!slot)
		return real.getsockname(fd, addr, len);
	if (!addr || !len) {
		errno = EFAULT;
		return -1;
	}
	struct sockaddr_storage own;
	socklen_t full = addr_to_sockaddr(&slot->addr, slot->domain, &own);
	addr_copy_out(&own, full, addr, len);
	return 0;
}

HOOK(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len))
{
	real_ready();
	return real.getpeername(fd, addr, len);
}

HOOK(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len))
{
	real_ready();
	return real.getsockopt(fd, level, name, value, len);
}

HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len))
{
	real_ready();
	return real.setsockopt(fd, level, name, value, len);
}
