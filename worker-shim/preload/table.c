#include "table.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

_Atomic uint16_t table_marks[TABLE_FDS];
struct slot table_slots[TABLE_SLOTS];
_Atomic int table_end;
_Atomic uint64_t epollset_entries[TABLE_FDS];
_Atomic uint64_t epollset_sources[TABLE_FDS];

static_assert(TABLE_SLOTS <= 1 << 12, "a mark has twelve bits for the slot");
static_assert((TABLE_SLOTS & (TABLE_SLOTS - 1)) == 0, "mark_slot() masks");

struct slot *table_slot_new(void)
{
	for (size_t i = 0; i < TABLE_SLOTS; i++) {
		struct slot *slot = &table_slots[i];
		int expected = SLOT_FREE;

		if (!atomic_compare_exchange_strong(&slot->state, &expected, SLOT_BOUND))
			continue;
		atomic_store(&slot->refs, 0);
		for (size_t j = 0; j < HIDDEN_N; j++)
			atomic_store(&slot->hidden[j].fd, -1);
		for (size_t j = 0; j < SLOT_SEEN; j++)
			atomic_store(&slot->seen[j], 0);
		slot->channel = 0;
		atomic_store(&slot->page, NULL);
		memset(&slot->options, 0, sizeof(slot->options));
		return slot;
	}
	return NULL;
}

struct slot *table_set(int fd, uint16_t mark)
{
	uint16_t old;

	if ((unsigned)fd >= TABLE_FDS)
		return NULL;
	/* Counted before it is seen: no other thread finds a slot without references. */
	if (mark_kind(mark) == MARK_SOCKET)
		atomic_fetch_add(&mark_slot(mark)->refs, 1);
	if (mark)
		table_raise_end(fd);
	old = atomic_exchange_explicit(&table_marks[fd], mark, memory_order_acq_rel);
	if (mark_kind(old) == MARK_SOCKET && atomic_fetch_sub(&mark_slot(old)->refs, 1) == 1)
		return mark_slot(old);
	return NULL;
}

/* --- the owner ---------------------------------------------------------------------------------
 */

static _Atomic pid_t fallback;
static _Atomic pid_t *owner = &fallback; /* its pid; 0: a fork child that nobody has told yet */

static void set_owner(void)
{
	atomic_store(owner, getpid());
}

/*
 * fork() runs set_owner() in the child. A child made by clone() or _Fork() runs no handler;
 * there the kernel wipes the page, and the first to ask becomes the owner.
 *
 * pthread_atfork() is not called by name: glibc has it only as a static stub around
 * __register_atfork(), which musl lacks.
 */
void owner_init(void)
{
	typedef int glibc_atfork(void (*)(void), void (*)(void), void (*)(void), void *);
	typedef int posix_atfork(void (*)(void), void (*)(void), void (*)(void));
	glibc_atfork *glibc;
	posix_atfork *posix;
	void *page = mmap(NULL, sizeof(*owner), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page != MAP_FAILED && madvise(page, sizeof(*owner), MADV_WIPEONFORK) == 0)
		owner = page;
	set_owner();

	*(void **)&glibc = dlsym(RTLD_DEFAULT, "__register_atfork");
	*(void **)&posix = dlsym(RTLD_DEFAULT, "pthread_atfork");
	if (glibc)
		(void)glibc(NULL, NULL, set_owner, NULL);
	else if (posix)
		(void)posix(NULL, NULL, set_owner);
}

pid_t owner_pid(void)
{
	if (!atomic_load(owner))
		set_owner();
	return atomic_load(owner);
}

bool owner_is_me(void)
{
	return owner_pid() == getpid();
}
