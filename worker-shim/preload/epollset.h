/*
 * epollset.h - which epoll set of the app an accepted connection is in.
 *
 * close() removes a descriptor from an epoll set only if no other process holds the open file
 * description. But the broker holds it, unknown to the app, until it has closed its own copy. If
 * the broker loses the processor right there, an app that does not remove its descriptors gets an
 * event for a connection that it has closed and an object that it has freed. So the library
 * remembers the set, and removes the connection from it before the app closes it. Then close()
 * does what the app expects from epoll(7). Mostly the broker has closed its copy long before: it
 * says so in the page that it shares with us (handoff_page.h), and then there is nothing to do.
 *
 * The library knows only the last set that a connection was added to, and only by the number that
 * the set had then. An app that uses several sets, or moves a set to another number, is no worse
 * off than without the library's help.
 *
 * Pure: a table, no system call, no lock. A fork copies it; the pid in each entry tells the child
 * that the set belongs to its parent, which still uses it.
 */
#pragma once

#include "table.h"

#define EPOLLSET_UNKNOWN 0 /* no accepted connection, or none that the library answers for */
#define EPOLLSET_NONE	 1 /* a connection that is in no set */

/* By descriptor of the connection: one of the above, or pid << 32 | number of the set. */
extern _Atomic uint64_t epollset_entries[TABLE_FDS];
/* ... and where it came from: CONN.number << 8 | number of the slot. */
extern _Atomic uint64_t epollset_sources[TABLE_FDS];
static_assert(TABLE_SLOTS <= 1 << 8, "a slot fits into a source");

/* The entry of @fd. For descriptors that are no connections of ours it is the only cost. */
static inline uint64_t epollset_of(int fd)
{
	if ((unsigned)fd >= TABLE_FDS)
		return EPOLLSET_UNKNOWN;
	return atomic_load_explicit(&epollset_entries[fd], memory_order_acquire);
}

/* @fd was accepted just now from @slot, by message @number (0: not known). Drops what was there. */
static inline void epollset_accepted(int fd, const struct slot *slot, uint64_t number)
{
	if ((unsigned)fd >= TABLE_FDS)
		return;
	atomic_store_explicit(&epollset_sources[fd], number << 8 | (uint64_t)(slot - table_slots),
			      memory_order_relaxed);
	atomic_store_explicit(&epollset_entries[fd], EPOLLSET_NONE, memory_order_release);
	table_raise_end(fd);
}

/* Whether the broker has closed its copy of connection @fd: close() is as good as without us. */
static inline bool epollset_broker_is_done(int fd)
{
	uint64_t source = atomic_load_explicit(&epollset_sources[fd], memory_order_relaxed);
	const struct handoff_page *page =
		atomic_load_explicit(&table_slots[source & (TABLE_SLOTS - 1)].page,
				     memory_order_acquire);

	return source >> 8 && page &&
	       __atomic_load_n(&page->closed, __ATOMIC_ACQUIRE) >= source >> 8;
}

/* Process @pid adds @fd to the set @epfd. Nothing happens if @fd is no accepted connection. */
static inline void epollset_add(int fd, int epfd, pid_t pid)
{
	if (epollset_of(fd) != EPOLLSET_UNKNOWN)
		atomic_store(&epollset_entries[fd], (uint64_t)(uint32_t)pid << 32 | (uint32_t)epfd);
}

/* The process removes it from there. */
static inline void epollset_remove(int fd, int epfd)
{
	uint64_t entry = epollset_of(fd);

	if (entry >> 32 && (int)entry == epfd)
		(void)atomic_compare_exchange_strong(&epollset_entries[fd], &entry, EPOLLSET_NONE);
}

/* From now on the entry of @fd is EPOLLSET_UNKNOWN. */
static inline void epollset_forget(int fd)
{
	if (epollset_of(fd) != EPOLLSET_UNKNOWN)
		atomic_store(&epollset_entries[fd], EPOLLSET_UNKNOWN);
}

/* Forgets @fd and returns the set that @pid has added it to, or -1. */
static inline int epollset_take(int fd, pid_t pid)
{
	uint64_t entry = epollset_of(fd);

	if (entry == EPOLLSET_UNKNOWN)
		return -1;
	entry = atomic_exchange(&epollset_entries[fd], EPOLLSET_UNKNOWN);
	return (pid_t)(entry >> 32) == pid ? (int)entry : -1;
}
