#include "waits.h"

#include "real.h"

#include <sys/mman.h>
#include <sys/stat.h>

/*
 * A page is never unmapped, as a thread may just be counting in it; but the next one of this slot
 * takes its place in one step. So there are never more pages than slots, and a late count goes
 * into the old page or the new one.
 */
void waits_map(struct slot *slot, int fd)
{
	_keep_errno_ int saved = errno;
	struct stat st;
	void *page;

	atomic_store(&slot->page, NULL);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < HANDOFF_PAGE_SIZE)
		return;
	page = mmap(slot->mapped, HANDOFF_PAGE_SIZE, PROT_READ | PROT_WRITE,
		    slot->mapped ? MAP_SHARED | MAP_FIXED : MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return;
	slot->mapped = page;
	atomic_store(&slot->page, page);
}
