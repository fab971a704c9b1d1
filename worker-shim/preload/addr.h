/*
 * addr.h - addresses between three forms: the kernel's sockaddr, the wire's
 * handoff_addr, and the family that the app expects.
 *
 * The broker may listen on [::] for an app that opened an AF_INET socket, or on
 * 0.0.0.0 for one that opened AF_INET6. An app must never be given an address of
 * a family that its own socket could not have: perl dies of it, others log nonsense.
 *
 *   app AF_INET6, IPv4 address    ::ffff:a.b.c.d, as a dual stack socket reports it
 *   app AF_INET,  v4-mapped       a.b.c.d
 *   app AF_INET,  ::1             127.0.0.1, so that checks for local clients hold
 *   app AF_INET,  ::              0.0.0.0
 *   app AF_INET,  other IPv6      an address in 240.0.0.0/4 made from the first 64 bits, so
 *                                 that one network stays one client for logs and limits, and
 *                                 can never be taken for a real or a local client
 *
 * The name of a Unix socket is text here: a path, or @NAME for an abstract one, as in
 * /proc/net/unix. Those of BROKER_SOCKETS are the broker's; all others are left to the app.
 *
 * Pure: no system call, no allocation.
 */
#pragma once

#include <errno.h>
#include "handoff_addr.h"

/*
 * Writes @addr as an app with a socket of @domain (AF_INET, AF_INET6, AF_UNIX) expects it, and
 * returns its length. An @addr of family 0 becomes the unspecified address with port 0. On a Unix
 * socket every client is one without a name.
 */
socklen_t addr_to_sockaddr(const struct handoff_addr *addr, int domain,
			   struct sockaddr_storage *ret);

static inline int addr_domain(const struct handoff_addr *addr)
{
	if (addr->family == HANDOFF_UNIX)
		return AF_UNIX;
	return addr->family == 6 ? AF_INET6 : AF_INET;
}

/*
 * The name as an app gives it, so that a path may be relative. False: it has no text, as the kernel
 * chooses it, a zero byte is in it, it looks like an abstract one, or it is too long for one of the
 * broker's.
 */
bool unix_path_from_sockaddr(const struct sockaddr *addr, socklen_t len,
			     char ret[HANDOFF_PATH_SIZE]);

/* The name as the kernel gives it, with its length; "" is no name, as of a client. */
socklen_t unix_path_to_sockaddr(const char *path, struct sockaddr_storage *ret);

/* Takes the next word, of those that fit, off *@list. False: there is none. */
bool unix_path_next(const char **list, char ret[HANDOFF_PATH_SIZE]);

/* 0, or the errno of a call that is to write an address to @out, *@len bytes long. */
static inline int addr_room(const struct sockaddr *out, const socklen_t *len)
{
	if (!out || !len)
		return EFAULT;
	return (int)*len < 0 ? EINVAL : 0;
}

/* As the kernel does: at most *@len bytes are written, then *@len says how long it really is. */
static inline void addr_copy_out(const struct sockaddr_storage *ss, socklen_t full,
				 struct sockaddr *out, socklen_t *len)
{
	memcpy(out, ss, *len < full ? *len : full);
	*len = full;
}

#define ADDR_TEXT_SIZE 64 /* of the longest, terminated */

/* "0.0.0.0:3000", "[::1]:80". Other IPv6 is in full groups. Returns the terminating NUL. */
char *addr_format(const struct handoff_addr *addr, char *out);

/* Whether @port is in @list: "9229,9400-9409". What is no port is passed over. */
bool addr_port_listed(const char *list, uint16_t port);

/* Writes @value, terminated, and returns its end: snprintf(3) is nothing for a signal handler. */
static inline char *number_write(char *out, unsigned value, unsigned base)
{
	char digits[10];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while ((value /= base) != 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return out;
}
