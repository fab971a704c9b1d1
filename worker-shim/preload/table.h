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
 * A vfork child has descriptors of its own but runs on the parent's memory: every
 * change here is for the owner only (owner_is_me() in owner.h).
 */
#pragma once

#include <stdatomic.h>
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
