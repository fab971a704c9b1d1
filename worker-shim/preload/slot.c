#include "slot.h"

#include "owner.h"
#include "real.h"

#include <fcntl.h>
#include <sys/stat.h>

uint64_t slot_socket_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? (uint64_t)st.st_ino : 0;
}

int slot_hide(struct slot *slot, int *fd)
{
	/* A limit below HIDDEN_FROM forbids the first; then as high as a small table allows. */
	static const int floors[] = { HIDDEN_FROM, 200, 50, 20, 3 };
	int saved = errno, moved = -1;

	for (size_t i = 0; moved < 0 && i < sizeof(floors) / sizeof(floors[0]); i++)
		moved = real.fcntl(*fd, F_DUPFD_CLOEXEC, floors[i]);
	if (moved < 0)
		return -errno;
	slot_mark(moved, mark_make(MARK_HIDDEN, slot));
	real_closep(fd);
	*fd = moved;
	errno = saved;
	return 0;
}

static void close_hidden(_Atomic int *at)
{
	int fd = atomic_exchange(at, -1);

	if (fd < 0)
		return;
	(void)table_set(fd, 0);
	(void)real.close(fd);
}

void slot_close_hidden(struct slot *slot)
{
	int saved = errno;

	close_hidden(&slot->rendezvous);
	close_hidden(&slot->tx);
	close_hidden(&slot->shadow);
	errno = saved;
}

void slot_mark(int fd, uint16_t mark)
{
	struct slot *orphan = table_set(fd, mark);

	if (orphan) {
		slot_close_hidden(orphan);
		table_slot_free(orphan);
	}
}

struct slot *slot_at(int fd)
{
	struct slot *slot = table_socket(fd);
	int saved = errno;
	uint64_t ino;

	if (!slot)
		return NULL;
	ino = slot_socket_ino(fd);
	errno = saved;
	if (ino == atomic_load(&slot->ino))
		return slot;
	if (owner_is_me())
		slot_mark(fd, 0);
	return NULL;
}

int slot_move_hidden(int fd)
{
	struct slot *slot = mark_slot(table_mark(fd));
	_Atomic int *places[] = { &slot->tx, &slot->rendezvous, &slot->shadow };
	int moved;

	moved = real.fcntl(fd, F_DUPFD_CLOEXEC, HIDDEN_FROM);
	if (moved < 0)
		moved = real.fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (moved < 0)
		return -errno;
	(void)table_set(moved, mark_make(MARK_HIDDEN, slot));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int expected = fd;

		if (atomic_compare_exchange_strong(places[i], &expected, moved))
			break;
	}
	(void)table_set(fd, 0);
	return 0;
}
