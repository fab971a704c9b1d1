#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int make_memory(void)
{
	int fd = memfd_create("broker-page", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* Linux before 6.3 does not know it; later ones may insist on it (vm.memfd_noexec). */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("broker-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

int page_open(struct page *ret, unsigned processes)
{
	size_t size = processes ? handoff_processes_size(processes) : HANDOFF_PAGE_SIZE;
	_cleanup_fd_ int fd = make_memory();
	void *map;

	/* Sealed before anybody else has it: a shorter file would be a SIGBUS for its reader. */
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = (struct page){ .fd = fd_take(&fd), .map = map, .size = size };
	if (processes)
		handoff_processes_of(map)->n = processes;
	return 0;
}

void page_close(struct page *p)
{
	if (p->map)
		(void)munmap(p->map, p->size);
	fd_closep(&p->fd);
	p->map = NULL;
}

void page_read(const struct page *p, struct handoff_page *ret)
{
	if (!p->map) {
		memset(ret, 0, sizeof(*ret));
		return;
	}
	/* Counts first: handoff_page_add() adds to the sum before, so that it is never too small.
	 */
	for (size_t i = 0; i < HANDOFF_PAGE_BUCKETS; i++)
		ret->count[i] = __atomic_load_n(&p->map->count[i], __ATOMIC_ACQUIRE);
	ret->sum_ns = __atomic_load_n(&p->map->sum_ns, __ATOMIC_ACQUIRE);
}
