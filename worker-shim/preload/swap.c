#include "swap.h"

#include "fdinfo.h"
#include "real.h"
#include "slot.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/time.h>

#define MAX_ITEMS  128
#define MAX_COPIES 64

struct swap {
	uint64_t ino; /* of the app's socket */
	int copies[MAX_COPIES];
	size_t n_copies;
	struct epoll_item items[MAX_ITEMS];
	size_t n_items;
	bool overflow;
};

static bool collect_item(const struct epoll_item *item, void *arg)
{
	struct swap *swap = arg;

	if (item->ino != swap->ino)
		return true;
	if (swap->n_items == MAX_ITEMS)
		swap->overflow = true;
	else
		swap->items[swap->n_items++] = *item;
	return !swap->overflow;
}

/* A copy of the socket, an epoll instance with registrations of it, or neither. */
static bool collect_fd(int fd, void *arg)
{
	struct swap *swap = arg;

	if (mark_kind(table_mark(fd)) == MARK_HIDDEN)
		return true;
	if (slot_socket_ino(fd) == swap->ino) {
		if (swap->n_copies == MAX_COPIES)
			swap->overflow = true;
		else
			swap->copies[swap->n_copies++] = fd;
	} else {
		(void)fdinfo_each_item(fd, collect_item, swap);
	}
	return !swap->overflow;
}

static void move_flags(int from, int rx)
{
	struct timeval timeout;
	socklen_t len = sizeof(timeout);
	int flags = real.fcntl(from, F_GETFL);

	/* Also cleared: the flag may be left from an app that had this channel before. */
	(void)real.fcntl(rx, F_SETFL, O_RDWR | (flags & (O_NONBLOCK | O_ASYNC)));
	if (flags & O_ASYNC) {
		struct f_owner_ex owner;

		/* The signal that says that a client is there. */
		if (real.fcntl(from, F_GETOWN_EX, &owner) == 0)
			(void)real.fcntl(rx, F_SETOWN_EX, &owner);
		(void)real.fcntl(rx, F_SETSIG, real.fcntl(from, F_GETSIG));
	}
	if (real.getsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &timeout, &len) == 0)
		(void)real.setsockopt(rx, SOL_SOCKET, SO_RCVTIMEO, &timeout, len);
}

static void change_items(const struct swap *swap, int op)
{
	for (size_t i = 0; i < swap->n_items; i++) {
		const struct epoll_item *item = &swap->items[i];
		struct epoll_event event = { .events = item->events, .data.u64 = item->data };

		(void)real.epoll_ctl(item->epfd, op, item->tfd, &event);
	}
}

static void replace(struct slot *slot, int fd, int rx)
{
	int fd_flags = real.fcntl(fd, F_GETFD);

	(void)real.dup3(rx, fd, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
	slot_mark(fd, mark_make(MARK_SOCKET, slot));
}

int swap_in(struct slot *slot, int fd, int rx)
{
	struct swap swap = { .ino = slot_socket_ino(fd) };

	if (!swap.ino)
		return -EBADF;
	if (fdinfo_each_fd(collect_fd, &swap) < 0) {
		/* No /proc: the app's own number is all that can be known. */
		swap.copies[0] = fd;
		swap.n_copies = 1;
		swap.n_items = 0;
	}
	if (swap.overflow)
		return -ENOSPC;

	move_flags(fd, rx);
	atomic_store(&slot->ino, slot_socket_ino(rx));
	change_items(&swap, EPOLL_CTL_DEL);
	for (size_t i = 0; i < swap.n_copies; i++)
		replace(slot, swap.copies[i], rx);
	change_items(&swap, EPOLL_CTL_ADD);
	return 0;
}
