/*
 * datagram.h - sockets for datagrams that the broker owns, as `udp = yes` asks: the workers of a
 * service, old and new, share one for each address, so that the port is never closed.
 */
#pragma once

#include "addr.h"

/* Puts the broker's socket for @addr at @fd, with the options that the app has set. 0 or an errno.
 */
int datagram_bind(int fd, const struct handoff_addr *addr);

/* Such a socket must not be connected to one client: that would take it from all others. */
bool datagram_is_shared(int fd);
