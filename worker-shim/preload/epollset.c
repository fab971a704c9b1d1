#include "epollset.h"

_Atomic uint64_t epollset_entries[TABLE_FDS];

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
