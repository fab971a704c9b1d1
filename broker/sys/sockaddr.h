/*
 * sockaddr - struct handoff_addr to and from the kernel's socket addresses.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include "handoff_wire.h"

/* Returns the length to give to bind(2). @addr->family must be 4 or 6. */
socklen_t sockaddr_put(const struct handoff_addr *addr, struct sockaddr_storage *ret);

/*
 * An IPv4 address that a dual stack socket shows as ::ffff:a.b.c.d becomes the IPv4
 * address that it is. A family other than AF_INET and AF_INET6 gives family 0.
 */
void sockaddr_get(const struct sockaddr_storage *sa, struct handoff_addr *ret);
