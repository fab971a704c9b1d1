#include "epollset.h"

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
