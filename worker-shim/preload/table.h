/*
 * table.h - what this process's descriptors mean to us.
 *
 * Two fixed arrays, no lock, no allocation: a hook may run in a signal handler,
 * in any thread, and in a vfork child.
 *
 *   marks[fd]   0, or a kind and the number of a slot:
 *                 SOCKET   a socket whose bind() we recorded, or the channel that
 *                          stands where it was since listen()
 *                 HIDDEN   a descriptor of our own (tx, rendezvous, shadow)
 *                 WANT_V6, WANT_V4, WANT_UNIX   an accepted connection of the other family: its
 *                          addresses are translated
 *                 MOVED    what stands in the place of a connection: see moved.h
 *   slots[]     one per recorded socket. refs counts the SOCKET marks on it in this
 *               process; when the last goes, so do this process's copies of tx, the
 *               rendezvous and the shadow, so that the kernel's count of holders is true
 *
 *   FREE --table_slot_new--> BOUND --listen()--> MEETING --WELCOME--> LISTENING
 *                              ^                    |                     | shutdown()
 *                              +------REFUSED-------+<-----listen()----- SHUT
 *
 * A fork copies the arrays with the descriptors, so they stay true in the child.
 * A vfork child (posix_spawn, Python's subprocess) has descriptors of its own but runs on the
 * parent's memory: what it closes is still open there, and every change here is for the owner only.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>
#include "addr.h"
#include "handoff_page.h"
#include "options.h"

/* As fs.nr_open: beyond it is libc's. Zero pages until they are used: it costs addresses only. */
#define TABLE_FDS   (1 << 20)
#define TABLE_SLOTS 256

enum mark_kind {
	MARK_NONE = 0,
	MARK_SOCKET,
	MARK_HIDDEN,
	MARK_WANT_V6,
	MARK_WANT_V4,
	MARK_WANT_UNIX,
	MARK_MOVED,
};

enum slot_state {
	SLOT_FREE = 0,
	SLOT_BOUND,	/* bind() was answered, the kernel knows nothing of it */
	SLOT_MEETING,	/* a thread is in listen(), talking to the broker */
	SLOT_LISTENING, /* rx stands at the descriptor */
	SLOT_SHUT,	/* the app has shut it down; accept() is EINVAL until it listens again */
};

/* The descriptors that a slot keeps for itself. */
enum hidden_role {
	HIDDEN_RENDEZVOUS, /* open as long as anybody here listens: its end is the goodbye */
	HIDDEN_TX,	   /* without a copy of it the broker's death is an endless EOF on rx */
	HIDDEN_SHADOW,	   /* the app's own socket: answers getsockopt, takes setsockopt */
	HIDDEN_N
};

struct hidden {
	_Atomic int fd; /* -1: none */
	_Atomic uint64_t ino;
};

/* Families of the broker's listeners whose connections came here lately: see hooks_accept.c. */
#define SLOT_SEEN 4

struct slot {
	_Atomic int state; /* enum slot_state */
	_Atomic int refs;  /* SOCKET marks on this slot */
	int domain;	   /* of the app's socket: AF_INET, AF_INET6, AF_UNIX */
	uint32_t backlog;
	struct handoff_place app; /* as the app bound it; stays in a slot that is free again */
	_Atomic uint64_t ino;	  /* of the socket that stands at the descriptor */
	uint64_t channel;
	struct hidden hidden[HIDDEN_N];
	_Atomic uint64_t seen[SLOT_SEEN];
	_Atomic unsigned seen_next;
	struct options options;		   /* what accepted connections inherit */
	struct handoff_page *_Atomic page; /* shared with the broker; NULL: none */
	void *mapped;			   /* where a page once was: the next one goes there too */
};

extern _Atomic uint16_t table_marks[TABLE_FDS];
extern struct slot table_slots[TABLE_SLOTS];

#define table_each_listening(it)                                                                   \
	for (struct slot *it = table_slots; it < table_slots + TABLE_SLOTS; it++)                  \
		if (atomic_load(&it->state) == SLOT_LISTENING)

/* One past the highest descriptor that ever was marked or an accepted connection. */
extern _Atomic int table_end;

static inline void table_raise_end(int fd)
{
	int end = atomic_load_explicit(&table_end, memory_order_relaxed);

	while (fd >= end && !atomic_compare_exchange_weak(&table_end, &end, fd + 1))
		continue;
}

static inline uint16_t mark_make(enum mark_kind kind, const struct slot *slot)
{
	return (uint16_t)((unsigned)kind << 12 | (slot ? (unsigned)(slot - table_slots) : 0));
}

static inline enum mark_kind mark_kind(uint16_t mark)
{
	return (enum mark_kind)(mark >> 12);
}

static inline struct slot *mark_slot(uint16_t mark)
{
	return &table_slots[mark & (TABLE_SLOTS - 1)];
}

/* The mark of @fd; 0 for one out of range. The only cost for descriptors that are not ours. */
static inline uint16_t table_mark(int fd)
{
	if ((unsigned)fd >= TABLE_FDS)
		return 0;
	return atomic_load_explicit(&table_marks[fd], memory_order_acquire);
}

/* The slot at @fd, or NULL. Whether it is stale is not looked at: see slot_at(). */
static inline struct slot *table_socket(int fd)
{
	uint16_t mark = table_mark(fd);

	return mark_kind(mark) == MARK_SOCKET ? mark_slot(mark) : NULL;
}

/* A slot in state BOUND with no references and no descriptors, or NULL if all are in use. */
struct slot *table_slot_new(void);

/*
 * Gives @fd the mark @mark (0: none), counts it on its slot and uncounts the one that
 * was there. Returns the slot that lost its last reference, or NULL: the caller closes
 * its descriptors and makes it FREE (slot_mark() in slot.h does all that). A @fd out of range is
 * left alone.
 */
struct slot *table_set(int fd, uint16_t mark);

/* --- does this process own the memory it runs on? ------------------------------------------ */

void owner_init(void);

/* False in a vfork child. One getpid(): asked where tables change, never in accept(). */
bool owner_is_me(void);

/* The owner's pid, without a system call: in a vfork child that of its parent. */
pid_t owner_pid(void);

/* --- epoll sets ------------------------------------------------------------------------------ */

/*
 * Which epoll set of the app an accepted connection is in.
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
