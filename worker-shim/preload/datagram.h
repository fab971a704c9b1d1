/*
 * datagram.h - sockets for datagrams that the broker owns, as `udp = yes` asks: the workers of a
 * service, old and new, share one for each address, so that the port is never closed.
 */
#pragma once

#include "addr.h"

/*
 * Whether a bind() of @fd to @addr is the broker's business. Then *@ret_error is 0, and its socket
 * is at @fd, with the options that the app has set; or why not, as an errno.
 */
bool datagram_bind(int fd, const struct sockaddr *addr, socklen_t len, int *ret_error);

/* Such a socket must not be connected to one client: that would take it from all others. */
bool datagram_is_shared(int fd);
