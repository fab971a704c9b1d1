/*
 * hooks_fd.c - descriptors that are copied and closed.
 */
#include "hooks.h"

#include "owner.h"
#include "real.h"
#include "shim.h"
#include "slot.h"

HOOK(int, close, (int fd))
{
	uint16_t mark = table_mark(fd);

	real_ready();
	if (__builtin_expect(mark != 0, 0) && owner_is_me()) {
		if (mark_kind(mark) == MARK_HIDDEN) {
			errno = EBADF;
			return -1;
		}
		/* Before the number is free: another thread may be given it at once. */
		slot_mark(fd, 0);
	}
	return real.close(fd);
}
