/*
 * hooks_listen.c - from bind() to shutdown() of a listening socket.
 */
#include <sys/epoll.h>
#include "adopt.h"
#include "fdinfo.h"
#include "handoff_kernel.h"
#include "hooks.h"
#include "shim.h"
#include "slot.h"

#define MAX_ITEMS  128
#define MAX_COPIES 64

/* Or MPTCP, which newer runtimes ask for by default. */
static bool is_tcp(int fd)
{
	int protocol = real_int_option(fd, SOL_SOCKET, SO_PROTOCOL);

	return real_int_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

static bool is_shared_udp(int fd)
{
	return shim.udp && real_int_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM;
}

/* An IPv4 socket does not have the option. */
static uint8_t v6only_flag(int fd)
{
	return real_int_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1 ? HANDOFF_V6ONLY : 0;
}

/*
 * Whether the kernel would refuse a second listener on @app: one of this process has it. On a path
 * it would not, once the app has removed the old one, which it believes that it did.
 */
static bool is_taken(int fd, const struct handoff_place *app)
{
	if (*app->path == '/')
		return false;
	table_each_listening (other) {
		if (memcmp(&other->app.addr, &app->addr, sizeof(app->addr)) != 0 ||
		    strcmp(other->app.path, app->path) != 0)
			continue;
		if (real_int_option(fd, SOL_SOCKET, SO_REUSEPORT) != 1 ||
		    real_int_option(slot_hidden(other, HIDDEN_SHADOW), SOL_SOCKET, SO_REUSEPORT) !=
			    1)
			return true;
	}
	return false;
}

/* Whether this bind() is the broker's business. What is wrong is left to the kernel. */
static bool is_ours(int fd, const struct sockaddr *addr, socklen_t len, struct handoff_place *ret)
{
	*ret = (struct handoff_place){ 0 };
	if (!shim.active || !addr || len < sizeof(sa_family_t) || (unsigned)fd >= TABLE_FDS)
		return false;
	if (addr->sa_family == AF_UNIX) {
		ret->addr.family = HANDOFF_UNIX;
		return real_int_option(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX &&
		       real_int_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
		       find_socket_at(addr, len, ret->path);
	}
	if (!handoff_from_sockaddr(addr, len, &ret->addr) || !ret->addr.port)
		return false;
	if (addr_port_listed(shim.private_ports, ret->addr.port) ||
	    real_int_option(fd, SOL_SOCKET, SO_DOMAIN) != addr->sa_family ||
	    (!is_tcp(fd) && !is_shared_udp(fd)))
		return false;
	ret->addr.flags = v6only_flag(fd);
	return true;
}

/* --- sockets for datagrams ------------------------------------------------------------------ */

/*
 * They are the broker's, as `udp = yes` asks: the workers of a service, old and new, share one for
 * each address, so that the port is never closed.
 */
#define SHARED_MAX 64

static _Atomic uint64_t shared[SHARED_MAX]; /* inodes; 0: none */

/* Such a socket must not be connected to one client: that would take it from all others. */
static bool datagram_is_shared(int fd)
{
	uint64_t inode = shim.udp ? slot_socket_ino(fd) : 0;

	for (size_t i = 0; inode && i < SHARED_MAX; i++)
		if (atomic_load(&shared[i]) == inode)
			return true;
	return false;
}

static void note_shared(int fd)
{
	uint64_t inode = slot_socket_ino(fd), none;

	for (size_t i = 0; i < SHARED_MAX && !datagram_is_shared(fd); i++) {
		none = 0;
		(void)atomic_compare_exchange_strong(&shared[i], &none, inode);
	}
}

static int take_over_datagram(int fd, int theirs)
{
	int flags = real.fcntl(fd, F_GETFL), cloexec = real.fcntl(fd, F_GETFD);
	struct options options = { 0 };

	/* IPV6_V6ONLY is the broker's, by the address. */
	options_collect(&options, fd, real_int_option(fd, SOL_SOCKET, SO_DOMAIN), SOCK_DGRAM);
	options_apply(&options, theirs);
	(void)real.fcntl(theirs, F_SETFL, flags & O_NONBLOCK);
	if (real.dup3(theirs, fd, cloexec & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return errno;
	note_shared(fd);
	return 0;
}

/* Puts the broker's socket for @addr at @fd, with the options that the app has set. 0 or an errno.
 */
static int datagram_bind(int fd, const struct handoff_addr *addr)
{
	struct handoff_wish wish = { .at.addr = *addr, .own = -1, .flags = HANDOFF_HELLO_UDP };
	char reason[HANDOFF_REASON_SIZE];
	struct handoff_meeting m;
	int error = -handoff_meet(&shim.home, &wish, &m, reason);

	if (error)
		return error;
	error = take_over_datagram(fd, m.rx);
	handoff_meeting_close(&m);
	return error;
}

/* --- bind() ---------------------------------------------------------------------------------- */

/* Of a path that no `listen` line names, only the first worker can have it. */
static int explain_taken(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct handoff_place app = { .addr.family = HANDOFF_UNIX };

	if (errno == EADDRINUSE && shim.active && addr->sa_family == AF_UNIX &&
	    real_int_option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
	    unix_path_from_sockaddr(addr, len, app.path))
		say(&app,
		    "an earlier run has left it, or another process has it, as another worker: if "
		    "clients connect there, name it with listen = in the service, and the broker "
		    "has it for all",
		    NULL);
	return -1;
}

int hook_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct handoff_place wanted;
	int saved = errno, error;

	real_ready();
	if (slot_at(fd))
		return refuse(EINVAL);
	if (!is_ours(fd, addr, len, &wanted) || !owner_is_me()) {
		errno = saved;
		return real.bind(fd, addr, len) == 0 ? 0 : explain_taken(fd, addr, len);
	}
	if (is_shared_udp(fd)) {
		error = datagram_bind(fd, &wanted.addr);
		errno = error ? error : saved;
		return error ? -1 : 0;
	}
	if (is_taken(fd, &wanted))
		return refuse(EADDRINUSE);
	if (!slot_bind(fd, addr->sa_family, &wanted))
		return refuse(ENOBUFS);
	bound_mark(fd, &wanted);
	errno = saved;
	return 0;
}

/* --- the channel in the place of the app's listening socket ------------------------------ */

/*
 * An epoll registration belongs to the socket, not to its number. When the channel takes over
 * the number, the app's registrations would stay with the old socket, which never becomes
 * readable. So they are removed before and added again after, as /proc lists them.
 */
struct swap {
	uint64_t ino; /* of the app's socket */
	int copies[MAX_COPIES];
	size_t n_copies;
	struct epoll_item items[MAX_ITEMS];
	size_t n_items;
	bool overflow;
};

static void collect_item(const struct epoll_item *item, void *arg)
{
	struct swap *swap = arg;

	if (item->ino != swap->ino)
		return;
	if (swap->n_items == MAX_ITEMS)
		swap->overflow = true;
	else
		swap->items[swap->n_items++] = *item;
}

/* A copy of the socket, an epoll instance with registrations of it, or neither. */
static void collect_fd(int fd, void *arg)
{
	struct swap *swap = arg;

	if (mark_kind(table_mark(fd)) == MARK_HIDDEN)
		return;
	if (slot_socket_ino(fd) == swap->ino) {
		if (swap->n_copies == MAX_COPIES)
			swap->overflow = true;
		else
			swap->copies[swap->n_copies++] = fd;
	} else {
		const struct fdinfo_look look = { .epfd = fd, .fn = collect_item, .arg = swap };
		_cleanup_real_fd_ int file = fdinfo_open_items(fd);

		fdinfo_each_item(file, &look);
	}
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

/*
 * Puts @rx over @fd and over every other descriptor of this process for the same socket,
 * keeping for each FD_CLOEXEC, for all O_NONBLOCK, and the receive timeout. Gives each the
 * mark of @slot, whose inode it sets. -errno: nothing was changed.
 */
static int swap_in(struct slot *slot, int fd, int rx)
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
	for (size_t i = 0; i < swap.n_copies; i++) {
		int copy = swap.copies[i], fd_flags = real.fcntl(copy, F_GETFD);

		(void)real.dup3(rx, copy, fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0);
		slot_mark(copy, mark_make(MARK_SOCKET, slot));
	}
	change_items(&swap, EPOLL_CTL_ADD);
	return 0;
}

/* --- listen() and what follows ----------------------------------------------------------- */

/*
 * Puts what the broker gave into its places. -errno: the app's socket is as it was.
 *
 * That socket lives on as the shadow, and with it the options that it carries. A second listen()
 * after shutdown() finds the shadow in place: what stands at @fd then is the old channel.
 */
static int take_over(struct slot *slot, int fd, struct handoff_meeting *m)
{
	bool had_shadow = slot_hidden(slot, HIDDEN_SHADOW) >= 0;
	int r = had_shadow ? 0 : slot_hide(slot, HIDDEN_SHADOW, fd);

	if (!had_shadow && r == 0)
		options_collect(&slot->options, fd, slot->domain, SOCK_STREAM);
	if (r == 0)
		r = slot_hide(slot, HIDDEN_TX, m->tx);
	if (r == 0)
		r = slot_hide(slot, HIDDEN_RENDEZVOUS, m->rendezvous);
	if (r == 0)
		r = swap_in(slot, fd, m->rx);
	if (r < 0) {
		slot_close_hidden(slot, HIDDEN_RENDEZVOUS);
		slot_close_hidden(slot, HIDDEN_TX);
		if (!had_shadow)
			slot_close_hidden(slot, HIDDEN_SHADOW);
		return r;
	}
	slot->channel = m->channel;
	slot_map_page(slot, m->page);
	return 0;
}

static int meet_broker(struct slot *slot, int fd)
{
	int shadow = slot_hidden(slot, HIDDEN_SHADOW), own = shadow < 0 ? fd : shadow;
	const char *unkept = option_unkept(own);
	struct handoff_meeting meeting;
	int r;

	if (unkept) {
		say(&slot->app, unkept, OPTION_REFUSAL);
		return -EPERM;
	}
	/* May have been set between bind() and listen(). */
	slot->app.addr.flags = v6only_flag(own);
	r = rendezvous_meet(slot, false, own, &meeting);
	if (r < 0)
		return r;
	r = take_over(slot, fd, &meeting);
	handoff_meeting_close(&meeting);
	return r;
}

int hook_listen(int fd, int backlog)
{
	struct slot *slot;
	int saved = errno, before, r;

	real_ready();
	slot = shim.active && owner_is_me() && adopt_fd(fd) ? table_socket(fd) : NULL;
	if (!slot)
		return real.listen(fd, backlog);
	before = atomic_load(&slot->state);
	if (before == SLOT_LISTENING)
		return 0; /* a new backlog, nothing else: nginx does that */
	if ((before != SLOT_BOUND && before != SLOT_SHUT) ||
	    !atomic_compare_exchange_strong(&slot->state, &before, SLOT_MEETING))
		return refuse(EADDRINUSE); /* another thread is at it */
	slot->backlog = (uint32_t)backlog;
	r = meet_broker(slot, fd);
	atomic_store(&slot->state, r < 0 ? before : SLOT_LISTENING);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : 0;
}

/*
 * An app that asks whether a server runs already is told that there is none: its own listens next.
 *
 * A client with a port of its own choice. Its bind() was only recorded; now that it turns out
 * to be no server, the kernel must know it.
 */
int hook_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_storage own;
	struct slot *slot;

	real_ready();
	if (is_unserved_path(addr, len))
		return refuse(ECONNREFUSED);
	if (datagram_is_shared(fd))
		return refuse(EOPNOTSUPP);
	slot = slot_at(fd);
	if (!slot || !owner_is_me() || atomic_load(&slot->state) != SLOT_BOUND)
		return real.connect(fd, addr, len);
	bound_unmark(fd);
	if (real.bind(fd, (struct sockaddr *)&own, slot_name(slot, &own)) < 0)
		return -1;
	slot_mark(fd, 0);
	return real.connect(fd, addr, len);
}

/*
 * The kernel lets shutdown(SHUT_RD) end a listening socket for everybody who shares it, and wakes
 * those who wait in accept() with EINVAL. The same is done to the channel: a thread that is blocked
 * in recvmsg() cannot be woken in another way. It does the broker no harm. What waits there can
 * still be received, here or by the broker from its copy of rx; what the broker sends next is
 * refused with EPIPE while it still owns the connection; and the end of the rendezvous tells it in
 * the first place. The app may listen() again: that is a new channel.
 */
int hook_shutdown(int fd, int how)
{
	struct slot *slot;

	real_ready();
	slot = slot_at(fd);
	if (!slot || atomic_load(&slot->state) != SLOT_LISTENING)
		return real.shutdown(fd, how);
	if (how == SHUT_WR)
		return 0; /* a listening socket has nothing to send */
	if (how != SHUT_RD && how != SHUT_RDWR)
		return refuse(EINVAL);
	if (owner_is_me()) {
		atomic_store(&slot->state, SLOT_SHUT);
		slot_close_hidden(slot, HIDDEN_RENDEZVOUS);
		slot_close_hidden(slot, HIDDEN_TX);
	}
	return real.shutdown(fd, SHUT_RD);
}
