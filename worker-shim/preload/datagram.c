#include "datagram.h"

#include "rendezvous.h"
#include "shim.h"
#include "slot.h"

#include <fcntl.h>

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

static int take_over(int fd, int theirs)
{
	int flags = real.fcntl(fd, F_GETFL), cloexec = real.fcntl(fd, F_GETFD);
	struct options options = { 0 };

	/* IPV6_V6ONLY is the broker's, by the address. */
	options_collect(&options, fd, real_int_option(fd, SOL_SOCKET, SO_DOMAIN), SOCK_DGRAM);
	options_apply(&options, theirs);
	(void)real.fcntl(theirs, F_SETFL, flags & O_NONBLOCK);
	if (real.dup3(theirs, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return errno;
	note_shared(fd);
	return 0;
}

int datagram_bind(int fd, const struct handoff_addr *addr)
{
	struct handoff_wish wish = { .at.addr = *addr, .own = -1, .flags = HANDOFF_HELLO_UDP };
	char reason[HANDOFF_REASON_SIZE];
	struct handoff_meeting m;
	int error = -handoff_meet(&shim.home, &wish, &m, reason);

	if (error)
		return error;
	error = take_over(fd, m.rx);
	handoff_meeting_close(&m);
	return error;
}
