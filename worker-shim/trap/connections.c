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

#include <string.h>

/* Descriptors have numbers below that, or what is connected stays. */
#define MOST_FDS (1 << 16)
/* Twice as many as sockets that are looked at: a power of 2. */
#define PLACES (1 << 15)
#define MOST   (PLACES / 2)

static struct {
	uint64_t ino; /* 0: none is here */
	int fd;
} seen[PLACES];
static size_t n_seen;

static void look_at(int fd)
{
	uint64_t ino = slot_socket_ino(fd);
	size_t at = ino * 0x9E3779B97F4A7C15 >> 49; /* 15 bits: Fibonacci hashing, Knuth 6.4 */

	if (!ino) { /* it is closed, or something else by now */
		epollset_forget(fd);
		return;
	}
	while (seen[at].ino && seen[at].ino != ino)
		at = (at + 1) % PLACES;
	if (seen[at].ino) { /* what the program does with one of the two is not all */
		epollset_forget(seen[at].fd);
		epollset_forget(fd);
		return;
	}
	seen[at].ino = ino;
	seen[at].fd = fd;
	n_seen++;
}

/* False: they are too many; another time it may be less. */
static bool look_at_all(int end)
{
	for (int fd = 0; fd < end && n_seen < MOST; fd++)
		look_at(fd);
	if (n_seen < MOST)
		return true;
	memset(seen, 0, sizeof(seen));
	n_seen = 0;
	return false;
}

/*
 * What a thread has just begun without being trapped has ended when the next MOVE comes, some
 * milliseconds later: so nothing moves for this one.
 */
bool real_sees_connections(void)
{
	static bool trapped, known;
	int end;

	if (known)
		return true;
	end = fdinfo_end();
	if (end < 0 || end > MOST_FDS)
		return false;
	trapped = trapped || trap_all_sockets();
	known = trapped && look_at_all(end);
	return false;
}
