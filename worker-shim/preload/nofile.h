/*
 * nofile.h - is this process near its limit of open descriptors?
 *
 * If the table is full when a message with a descriptor is received, the kernel closes
 * the descriptor, and the connection is lost. So near the limit accept() peeks first
 * (MSG_PEEK), which costs two more system calls. Far from the limit it must not.
 *
 * The kernel assigns the lowest free number. So a high number means that all lower ones are in
 * use. A low number says nothing about the higher ones: they may all be in use, and this one may
 * have been the last gap. So a process that was near the limit counts as near until high numbers
 * are seen to be free again. "Near" is half the limit: to be missed, an app would have to open the
 * other half between two accepts, without closing.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct nofile {
	_Atomic int near_from; /* half the soft limit; 0: not read yet */
	_Atomic int highest;   /* the limit less one */
	_Atomic bool near;
	_Atomic unsigned count;
};

extern struct nofile nofile;

/* Reads the soft limit again. */
void nofile_refresh(void);
/* As nofile_received(), for the cases that are not plainly far from the limit. */
void nofile_look(int fd);

/* True if the next descriptor may not fit. */
static inline bool nofile_is_near(void)
{
	return atomic_load_explicit(&nofile.near, memory_order_relaxed);
}

/*
 * @fd was received just now. The limit is read again every 16th time, for apps that
 * change it while they run, and always when it seems near, for those that raise it.
 */
static inline void nofile_received(int fd)
{
	if (atomic_fetch_add_explicit(&nofile.count, 1, memory_order_relaxed) % 16 == 0 ||
	    fd >= atomic_load_explicit(&nofile.near_from, memory_order_relaxed) || nofile_is_near())
		nofile_look(fd);
}
