#include "loopback.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "base/fd.h"
#include "sys/tcp.h"

#define WAIT_MS 10
/* Strangers may find the port in the moment in which it is there. */
#define BACKLOG 4

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Where @fd is bound to; sin_port and sin6_port are in the same place. */
static int own_address(int fd, union address *ret, socklen_t *ret_len)
{
	*ret_len = sizeof(*ret);
	return getsockname(fd, &ret->sa, ret_len) < 0 ? -errno : 0;
}

/* The handshake is done in the call, unless a packet filter is in the way. */
static int connect_to(int listener, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	union address address;
	int error = 0, r;
	socklen_t len;

	r = own_address(listener, &address, &len);
	if (r < 0)
		return r;
	if (connect(fd, &address.sa, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	r = poll(&p, 1, WAIT_MS);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	len = sizeof(error);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

static int accept_from(int listener, const union address *client, int *ret_fd,
		       struct handoff_addr *ret_peer)
{
	for (int i = 0; i <= BACKLOG; i++) {
		_cleanup_fd_ int fd = -1;
		struct handoff_addr peer;
		int error = ECONNABORTED;

		if (tcp_accept(listener, &fd, &peer, &error) == ACCEPT_DONE) {
			if (peer.port != ntohs(client->in.sin_port))
				continue;
			*ret_fd = fd_take(&fd);
			*ret_peer = peer;
			return 0;
		}
		if (error != ECONNABORTED)
			return -error;
	}
	return -ECONNABORTED;
}

int loopback_pair(uint8_t family, int *ret_accepted, int *ret_own, struct handoff_addr *ret_peer)
{
	static const struct service_conf plain = { .backlog = BACKLOG };
	struct handoff_addr addr = { .family = family, .flags = HANDOFF_V6ONLY };
	_cleanup_fd_ int listener = -1, own = -1;
	union address client;
	socklen_t len;
	int r;

	if (family == 4)
		memcpy(addr.ip, &(struct in_addr){ htonl(INADDR_LOOPBACK) }, 4);
	else
		memcpy(addr.ip, &in6addr_loopback, 16);
	r = tcp_open(&addr, &plain, &listener);
	if (r < 0)
		return r;
	own = socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		     0);
	if (own < 0)
		return -errno;
	r = connect_to(listener, own);
	if (r == 0)
		r = own_address(own, &client, &len);
	if (r == 0)
		r = accept_from(listener, &client, ret_accepted, ret_peer);
	if (r == 0)
		*ret_own = fd_take(&own);
	return r;
}
