/*
 * hooks_accept.c - accept() and accept4(), the hot path: one recvmsg() and a few comparisons.
 */
#include "adopt.h"
#include "hooks.h"
#include "moved.h"
#include "shim.h"
#include "slot.h"

static struct handoff_room room = { .move = moved_begin };

/*
 * handoff_take() for accept(2). @flags: SOCK_CLOEXEC, SOCK_NONBLOCK. -errno: any other than EAGAIN,
 * EINTR, EINVAL, EMFILE or ECONNABORTED says that @rx is no channel.
 */
static int take_conn(int rx, int flags, struct handoff_page *page, struct handoff_conn *ret_conn)
{
	int recv_flags = flags & SOCK_CLOEXEC ? MSG_CMSG_CLOEXEC : 0;
	int fd;

	if (page)
		__atomic_fetch_add(&page->accepting, 1, __ATOMIC_RELAXED);
	/* What the app saw was taken back. Only an accept that would wait for it must hear of that.
	 */
	do
		fd = handoff_take(rx, recv_flags, &room, ret_conn);
	while (fd == -ENOMSG && (real.fcntl(rx, F_GETFL) & O_NONBLOCK));
	if (page)
		__atomic_fetch_sub(&page->accepting, 1, __ATOMIC_RELAXED);
	if (fd >= 0)
		handoff_taken(fd, page, ret_conn, flags & SOCK_NONBLOCK);
	return fd == -ENOMSG ? -ECONNABORTED : fd;
}

/*
 * The family of the connection's own socket. It is that of the broker's listener, which the
 * message names by number but not by family, so each number is looked up once: a peer with an
 * IPv4 address may stand on a dual stack socket.
 */
static int socket_domain(struct slot *slot, const struct handoff_conn *conn, int fd)
{
	int domain;

	for (int i = 0; i < SLOT_SEEN; i++) {
		uint64_t seen = atomic_load_explicit(&slot->seen[i], memory_order_relaxed);

		if (seen && (uint32_t)(seen >> 32) == conn->listener)
			return (int)(uint32_t)seen;
	}
	domain = real_int_option(fd, SOL_SOCKET, SO_DOMAIN);
	if (domain <= 0)
		return slot->domain;
	atomic_store(&slot->seen[atomic_fetch_add(&slot->seen_next, 1) % SLOT_SEEN],
		     (uint64_t)conn->listener << 32 | (uint32_t)domain);
	return domain;
}

/* Remembers that getsockname() and getpeername() on @fd have something to translate, if so. */
static void mark_family(struct slot *slot, const struct handoff_conn *conn, int fd)
{
	uint16_t mark = 0;

	if (socket_domain(slot, conn, fd) != slot->domain)
		mark = mark_make(slot->domain == AF_UNIX    ? MARK_WANT_UNIX
				 : slot->domain == AF_INET6 ? MARK_WANT_V6
							    : MARK_WANT_V4,
				 slot);
	/* Also drops a mark that is left from a descriptor closed behind our back. */
	if (mark != table_mark(fd))
		slot_mark(fd, mark);
}

static int accept_from(struct slot *slot, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int taken, error = addr ? addr_room(addr, len) : 0;
	struct handoff_conn conn;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (error)
		return -error;
	if (atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_SHUT)
		return -EINVAL;

	taken = take_conn(fd, flags, atomic_load_explicit(&slot->page, memory_order_acquire),
			  &conn);
	if (taken < 0)
		return taken;
	mark_family(slot, &conn, taken);
	epollset_accepted(taken, slot, conn.number);
	if (atomic_load_explicit(&slot->options.changed, memory_order_relaxed))
		options_apply(&slot->options, taken);
	if (addr) {
		struct sockaddr_storage peer;
		socklen_t full = addr_to_sockaddr(&conn.peer, slot->domain, &peer);

		addr_copy_out(&peer, full, addr, len);
	}
	return taken;
}

/*
 * Asked after libc's accept has failed as it does on a channel, so nobody else pays for it. Either
 * @slot is NULL, and a channel stands at @fd that is not in the table: it came by SCM_RIGHTS or was
 * copied behind our back. Or another thread is in listen() for it, has put the channel in place,
 * and an event loop was quicker than its return.
 */
static bool is_channel_after_all(int fd, const struct slot *slot)
{
	struct handoff_name name;

	if (!shim.active || (errno != EINVAL && errno != EOPNOTSUPP))
		return false;
	return slot ? handoff_is_channel(&shim.home, fd, false, &name)
		    : owner_is_me() && adopt_fd(fd);
}

/* @four: the app called accept4(). What is not ours must reach libc as it was called. */
static int native(bool four, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return four ? real.accept4(fd, addr, len, flags) : real.accept(fd, addr, len);
}

static int accept_any(bool four, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct slot *slot;
	int saved = errno, taken;

	real_ready();
	/*
	 * No look at the inode here. If the mark is stale, the number stands for something else
	 * now; nothing that an app calls accept() on (a listening socket) lets recvmsg() succeed,
	 * so the error tells, and only then we look.
	 */
	slot = table_socket(fd);
	if (!slot || atomic_load_explicit(&slot->state, memory_order_acquire) < SLOT_LISTENING) {
		taken = native(four, fd, addr, len, flags);
		if (taken >= 0 || !is_channel_after_all(fd, slot))
			return taken;
		slot = table_socket(fd);
		if (!slot)
			return -1; /* closed meanwhile: errno is the kernel's */
	}
	taken = accept_from(slot, fd, addr, len, flags);
	errno = saved;
	if (taken >= 0)
		return taken;
	if (taken != -EAGAIN && taken != -EINTR && taken != -EMFILE && !slot_at(fd))
		return native(four, fd, addr, len, flags);
	return refuse(taken == -ENOTCONN ? EINVAL : -taken);
}

int hook_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	return accept_any(false, fd, addr, len, 0);
}

int hook_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return accept_any(true, fd, addr, len, flags);
}
