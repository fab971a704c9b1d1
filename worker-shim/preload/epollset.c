#include "epollset.h"

_Atomic uint64_t epollset_entries[TABLE_FDS];
_Atomic int epollset_end;

void epollset_raise_end(int fd)
{
	int now = atomic_load(&epollset_end);

	while (fd >= now && !atomic_compare_exchange_weak(&epollset_end, &now, fd + 1))
		continue;
}

static uint64_t entry_make(int epfd, pid_t pid)
{
	return (uint64_t)(uint32_t)pid << 32 | (uint32_t)epfd;
}

static pid_t entry_pid(uint64_t entry)
{
	return (pid_t)(entry >> 32);
}

static int entry_epfd(uint64_t entry)
{
	return (int)(uint32_t)entry;
}

void epollset_add(int fd, int epfd, pid_t pid)
{
	if (epollset_of(fd) != EPOLLSET_UNKNOWN)
		atomic_store(&epollset_entries[fd], entry_make(epfd, pid));
}

void epollset_remove(int fd, int epfd)
{
	uint64_t entry = epollset_of(fd);

	if (entry_pid(entry) && entry_epfd(entry) == epfd)
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
	return entry_pid(entry) == pid ? entry_epfd(entry) : -1;
}
