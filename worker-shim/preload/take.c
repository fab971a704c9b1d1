#include "take.h"

#include "receive.h"

#include "handoff_take.h"

#include <fcntl.h>

static bool is_free(int fd)
{
	_keep_errno_ int saved = errno;

	return real.fcntl(fd, F_GETFD) < 0;
}

static const struct handoff_calls calls = { .close_fd = real_closep, .is_free = is_free };
static struct handoff_room room;

/* The broker has guessed what the app wants here; mostly it is right, and nothing is to do. */
static void set_nonblock(int fd, uint32_t conn_flags, int accept_flags)
{
	bool wanted = accept_flags & SOCK_NONBLOCK;

	if (wanted != !!(conn_flags & HANDOFF_CONN_NONBLOCK))
		(void)real.fcntl(fd, F_SETFL, O_RDWR | (wanted ? O_NONBLOCK : 0));
}

int take_conn(int rx, int flags, struct handoff_page *page, struct handoff_conn *ret_conn)
{
	int recv_flags = flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0;
	int fd;

	/* What the app saw was taken back. Only an accept that would wait for it must hear of that.
	 */
	do
		fd = handoff_take(rx, recv_flags, &room, &calls, ret_conn);
	while (fd == -ENOMSG && (real.fcntl(rx, F_GETFL) & O_NONBLOCK));
	if (fd >= 0)
		set_nonblock(fd, ret_conn->flags, flags);
	if (fd >= 0 && page)
		handoff_taken(page, ret_conn, flags & SOCK_NONBLOCK);
	return fd == -ENOMSG ? -ECONNABORTED : fd;
}
