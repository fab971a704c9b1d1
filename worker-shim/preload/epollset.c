#include "epollset.h"

_Atomic uint64_t epollset_entries[TABLE_FDS];
_Atomic uint64_t epollset_sources[TABLE_FDS];

bool epollset_broker_is_done(int fd)
{
	uint64_t source = atomic_load_explicit(&epollset_sources[fd], memory_order_relaxed);
	const struct handoff_page *page =
		atomic_load_explicit(&table_slots[source & (TABLE_SLOTS - 1)].page,
				     memory_order_acquire);

	return source >> 8 && page &&
	       __atomic_load_n(&page->closed, __ATOMIC_ACQUIRE) >= source >> 8;
}

void epollset_add(int fd, int epfd, pid_t pid)
{
	if (epollset_of(fd) != EPOLLSET_UNKNOWN)
		atomic_store(&epollset_entries[fd], (uint64_t)(uint32_t)pid << 32 | (uint32_t)epfd);
}

void epollset_remove(int fd, int epfd)
{
	uint64_t entry = epollset_of(fd);

	if (entry >> 32 && (int)entry == epfd)
		(void)atomic_compare_exchange_strong(&epollset_entries[fd], &entry, EPOLLSET_NONE);
}

void epollset_forget(int fd)
{
	if (epollset_of(fd) != EPOLLSET_UNKNOWN)
		atomic_store(&epollset_entries[fd], EPOLLSET_UNKNOWN);
}

int epollset_take(int fd, pid_t pid)
{
	uint64_t entry = epollset_of(fd);

	if (entry == EPOLLSET_UNKNOWN)
		return -1;
	entry = atomic_exchange(&epollset_entries[fd], EPOLLSET_UNKNOWN);
	return (pid_t)(entry >> 32) == pid ? (int)entry : -1;
}
