/*
 * handoff_room.h - is a process near its limit of open descriptors?
 *
 * If the table is full when a message with a descriptor is received, the kernel closes the
 * descriptor, and the connection is lost. So near the limit a worker peeks first (MSG_PEEK), which
 * costs two more system calls. Far from the limit it must not.
 *
 * The kernel assigns the lowest free number. So a high number means that all lower ones are in use.
 * A low number says nothing about the higher ones: they may all be in use, and this one may have
 * been the last gap. So a process that was near the limit counts as near until high numbers are
 * seen to be free again. "Near" is half the limit: to be missed, a program would have to open the
 * other half between two connections, without closing.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>

/* All zero at first. Any number of threads may use it at the same time. */
struct handoff_room {
	int near_limit;	    /* whether */
	int from;	    /* half the soft limit; 0: not read yet */
	unsigned int count; /* of descriptors received */
};

static inline bool handoff_room_is_short(const struct handoff_room *room)
{
	return __builtin_expect(__atomic_load_n(&room->near_limit, __ATOMIC_RELAXED), 0);
}

/* Reads the limit. @fd is open, or INT_MAX: it did not fit. @is_free: no descriptor is there. */
static inline void handoff_room_look(struct handoff_room *room, int fd, bool (*is_free)(int fd))
{
	struct rlimit soft;
	int max, is_near;

	if (getrlimit(RLIMIT_NOFILE, &soft) < 0)
		return;
	max = soft.rlim_cur > INT_MAX ? INT_MAX : (int)soft.rlim_cur;
	is_near = fd >= max / 2 ||
		  (handoff_room_is_short(room) && !(is_free(max / 2) && is_free(max - 1)));
	__atomic_store_n(&room->from, max / 2, __ATOMIC_RELAXED);
	__atomic_store_n(&room->near_limit, is_near, __ATOMIC_RELAXED);
}

/*
 * @fd was received just now. The limit is read again every 16th time, for programs that change it
 * while they run, and always when it seems near, for those that raise it.
 */
static inline void handoff_room_received(struct handoff_room *room, int fd, bool (*is_free)(int fd))
{
	if (__atomic_fetch_add(&room->count, 1, __ATOMIC_RELAXED) % 16 == 0 ||
	    fd >= __atomic_load_n(&room->from, __ATOMIC_RELAXED) || handoff_room_is_short(room))
		handoff_room_look(room, fd, is_free);
}
