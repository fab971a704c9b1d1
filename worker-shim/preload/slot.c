#include "slot.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include "real.h"

/* Out of the way of select() and of small loops; lower where the limit forbids that. */
static const int hidden_floors[] = { 1000, 200, 50, 20, 3 };

uint64_t slot_socket_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? (uint64_t)st.st_ino : 0;
}

int slot_hide(struct slot *slot, enum hidden_role role, int fd)
{
	_keep_errno_ int saved = errno;
	struct hidden *hidden = &slot->hidden[role];
	int moved = -1;

	for (size_t i = 0; moved < 0 && i < sizeof(hidden_floors) / sizeof(hidden_floors[0]); i++)
		moved = real.fcntl(fd, F_DUPFD_CLOEXEC, hidden_floors[i]);
	if (moved < 0)
		return -errno;
	slot_mark(moved, mark_make(MARK_HIDDEN, slot));
	atomic_store(&hidden->ino, slot_socket_ino(moved));
	atomic_store(&hidden->fd, moved);
	return 0;
}

/* Which of its hidden descriptors @slot has at @fd, or HIDDEN_N. */
static enum hidden_role role_of(const struct slot *slot, int fd)
{
	for (enum hidden_role role = 0; role < HIDDEN_N; role++)
		if (slot_hidden(slot, role) == fd)
			return role;
	return HIDDEN_N;
}

static bool is_still(const struct hidden *hidden, int fd)
{
	return slot_socket_ino(fd) == atomic_load(&hidden->ino);
}

void slot_close_hidden(struct slot *slot, enum hidden_role role)
{
	_keep_errno_ int saved = errno;
	int fd = atomic_exchange(&slot->hidden[role].fd, -1);

	if (fd < 0)
		return;
	(void)table_set(fd, 0);
	if (is_still(&slot->hidden[role], fd))
		(void)real.close(fd);
}

void slot_mark(int fd, uint16_t mark)
{
	struct slot *orphan = table_set(fd, mark);

	if (!orphan)
		return;
	for (enum hidden_role role = 0; role < HIDDEN_N; role++)
		slot_close_hidden(orphan, role);
	atomic_store(&orphan->state, SLOT_FREE);
}

struct slot *slot_bind(int fd, int domain, const struct handoff_place *app)
{
	struct slot *slot = table_slot_new();

	if (!slot)
		return NULL;
	slot->app = *app;
	slot->domain = domain;
	atomic_store(&slot->ino, slot_socket_ino(fd));
	slot_mark(fd, mark_make(MARK_SOCKET, slot));
	return slot;
}

socklen_t slot_name(const struct slot *slot, struct sockaddr_storage *ret)
{
	return slot->domain == AF_UNIX ? unix_path_to_sockaddr(slot->app.path, ret)
				       : addr_to_sockaddr(&slot->app.addr, slot->domain, ret);
}

struct slot *slot_at(int fd)
{
	_keep_errno_ int saved = errno;
	struct slot *slot = table_socket(fd);

	if (!slot)
		return NULL;
	/* One of the two sockets of a swap: which, only the thread in listen() knows. */
	if (atomic_load(&slot->state) == SLOT_MEETING)
		return slot;
	if (slot_socket_ino(fd) == atomic_load(&slot->ino))
		return slot;
	if (owner_is_me())
		slot_mark(fd, 0);
	return NULL;
}

int slot_own_socket(int fd)
{
	const struct slot *slot = slot_at(fd);

	if (!slot || atomic_load(&slot->state) < SLOT_LISTENING)
		return fd;
	return slot_hidden(slot, HIDDEN_SHADOW);
}

bool slot_hides(int fd)
{
	uint16_t mark = table_mark(fd);
	struct slot *slot = mark_slot(mark);
	_keep_errno_ int saved = errno;
	enum hidden_role role;

	if (mark_kind(mark) != MARK_HIDDEN)
		return false;
	role = role_of(slot, fd);
	if (role != HIDDEN_N && is_still(&slot->hidden[role], fd))
		return true;
	if (owner_is_me()) {
		if (role != HIDDEN_N)
			atomic_store(&slot->hidden[role].fd, -1);
		(void)table_set(fd, 0);
	}
	return false;
}

int slot_move_hidden(int fd)
{
	struct slot *slot = mark_slot(table_mark(fd));
	enum hidden_role role = role_of(slot, fd);
	int r = role == HIDDEN_N ? 0 : slot_hide(slot, role, fd);

	if (r == 0)
		(void)table_set(fd, 0);
	return r;
}

/*
 * A page is never unmapped, as a thread may just be counting in it; but the next one of this slot
 * takes its place in one step. So there are never more pages than slots, and a late count goes
 * into the old page or the new one.
 */
void slot_map_page(struct slot *slot, int fd)
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
