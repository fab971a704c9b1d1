#include "datagram.h"

#include "real.h"
#include "rendezvous.h"
#include "shim.h"
#include "slot.h"

#include <fcntl.h>
#include <netinet/in.h>

#define SHARED_MAX 64

static _Atomic uint64_t shared[SHARED_MAX]; /* inodes; 0: none */

bool datagram_is_shared(int fd)
{
	uint64_t inode = shim.udp ? slot_socket_ino(fd) : 0;

	for (size_t i = 0; inode && i < SHARED_MAX; i++)
		if (atomic_load(&shared[i]) == inode)
			return true;
	return false;
}

static void note_shared(int fd)
{
	uint64_t inode = slot_socket_ino(fd), none;

	for (size_t i = 0; i < SHARED_MAX && !datagram_is_shared(fd); i++) {
		none = 0;
		(void)atomic_compare_exchange_strong(&shared[i], &none, inode);
	}
}

/*
 * What an app sets before bind(2), mostly: what differs from a new socket. IPV6_V6ONLY is the
 * broker's, by the address.
 */
static void copy_options(int from, int to)
{
	static const struct {
		int level, name;
		int divisor; /* the kernel says twice what was asked for */
	} options[] = {
		{ SOL_SOCKET, SO_BROADCAST, 1 },
		{ SOL_SOCKET, SO_PRIORITY, 1 },
		{ SOL_SOCKET, SO_TIMESTAMP, 1 },
		{ SOL_SOCKET, SO_TIMESTAMPNS, 1 },
		{ SOL_SOCKET, SO_RXQ_OVFL, 1 },
		{ SOL_SOCKET, SO_RCVBUF, 2 },
		{ SOL_SOCKET, SO_SNDBUF, 2 },
		{ IPPROTO_IP, IP_TOS, 1 },
		{ IPPROTO_IP, IP_TTL, 1 },
		{ IPPROTO_IP, IP_PKTINFO, 1 },
		{ IPPROTO_IP, IP_RECVTOS, 1 },
		{ IPPROTO_IP, IP_RECVTTL, 1 },
		{ IPPROTO_IP, IP_MTU_DISCOVER, 1 },
		{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 },
		{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1 },
		{ IPPROTO_IPV6, IPV6_TCLASS, 1 },
		{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1 },
	};
	_cleanup_real_fd_ int fresh =
		socket(real_int_option(from, SOL_SOCKET, SO_DOMAIN), SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; fresh >= 0 && i < sizeof(options) / sizeof(options[0]); i++) {
		int level = options[i].level, name = options[i].name;
		int value = real_int_option(from, level, name);

		if (value < 0 || value == real_int_option(fresh, level, name))
			continue;
		value /= options[i].divisor;
		(void)real.setsockopt(to, level, name, &value, sizeof(value));
	}
}

static int take_over(int fd, int theirs)
{
	int flags = real.fcntl(fd, F_GETFL), cloexec = real.fcntl(fd, F_GETFD);

	copy_options(fd, theirs);
	(void)real.fcntl(theirs, F_SETFL, flags & O_NONBLOCK);
	if (real.dup3(theirs, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return errno;
	note_shared(fd);
	return 0;
}

bool datagram_bind(int fd, const struct sockaddr *addr, socklen_t len, int *ret_error)
{
	struct handoff_wish wish = { .own = -1,
				     .timeout_ms = MEET_LISTEN_MS,
				     .flags = HANDOFF_HELLO_UDP };
	char reason[HANDOFF_REASON_SIZE];
	struct handoff_meeting m;

	if (!shim.udp || !addr || len < sizeof(sa_family_t) ||
	    real_int_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM ||
	    real_int_option(fd, SOL_SOCKET, SO_DOMAIN) != addr->sa_family ||
	    !addr_from_sockaddr(addr, len, &wish.addr) || !wish.addr.port ||
	    addr_port_listed(shim.private_ports, wish.addr.port))
		return false;
	if (real_int_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1)
		wish.addr.flags = HANDOFF_V6ONLY;
	*ret_error = -handoff_meet(&shim.home, &wish, &m, reason);
	if (*ret_error)
		return true;
	*ret_error = take_over(fd, m.rx);
	handoff_meeting_close(&m);
	return true;
}
