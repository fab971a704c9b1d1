/*
 * connections.c - the program's connections, from the first that is to move on.
 *
 * Until then only accept() is trapped, and close(), dup() and epoll_ctl() run at full speed. So a
 * number that stands for a connection in the table may be closed, or something else by now: who
 * moves it looks (moved.c). What cannot be seen in one descriptor is that there is a copy of it.
 */
#include "handler.h"
#include "preload/fdinfo.h"
#include "preload/real.h"
#include "preload/slot.h"
#include "preload/table.h"

/* Twice as many as descriptors that are looked at: a power of 2. */
#define PLACES	 32768
#define MOST_FDS (PLACES / 2)

static struct {
	uint64_t ino; /* 0: none is here */
	int fd;
} seen[PLACES];

/* The app holds connection @a twice, as @a and @b: neither is what it has only one of. */
static void forget_both(int a, int b)
{
	epollset_forget(a);
	epollset_forget(b);
}

static void look_at(int fd)
{
	uint64_t ino = slot_socket_ino(fd);
	size_t at = ino * 0x9E3779B97F4A7C15 >> 49; /* 15 bits: Fibonacci hashing, Knuth 6.4 */

	if (!ino)
		return;
	while (seen[at].ino && seen[at].ino != ino)
		at = (at + 1) % PLACES;
	if (seen[at].ino) {
		forget_both(seen[at].fd, fd);
		return;
	}
	seen[at].ino = ino;
	seen[at].fd = fd;
}

/*
 * What a thread has just begun without being trapped has ended when the next MOVE comes, some
 * milliseconds later: so nothing moves for this one.
 */
bool real_sees_connections(void)
{
	static bool known;
	int end = fdinfo_end();

	if (known)
		return true;
	if (end < 0 || end > MOST_FDS || !trap_all_sockets())
		return false;
	for (int fd = 0; fd < end; fd++)
		look_at(fd);
	known = true;
	return false;
}
