#include "moved.h"

#include "addr.h"
#include "blocked.h"
#include "fdinfo.h"
#include "real.h"
#include "slot.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/*
 * Found at once: what an epoll set holds is read only so often, and takes milliseconds if that is
 * much. The app is held for one such slice, or as many as begin within MOVED_NS; the next MOVE goes
 * on behind them.
 */
#define MOVED_AT_ONCE 200
#define MOVED_SETS    64
#define MOVED_NS      1000000
/* With more of them that alone takes too long: all stay, until the idle ones were ended. */
#define MOVED_MOST 10240
/* A set that holds so many is read again from the same file; and first, for few connections. */
#define MOVED_MANY 1000
#define MOVED_FEW  16
/* A MOVE that finds nothing to move goes on so often, after 1, 2, 3 ms. */
#define MOVED_PASSES 3
/* Who waits for one that is being replaced yields so often, and sleeps so many ms. */
#define MOVED_YIELDS 100
#define MOVED_NAPS   100

_Atomic int moved_now = -1;
_Atomic unsigned moved_begun;

struct candidate {
	int fd;
	uint64_t ino;
	unsigned n_items; /* in epoll sets: one is as it should be */
	struct epoll_item item;
};

static struct {
	atomic_flag busy;
	const struct handoff_move *move;
	int next; /* the first descriptor that was not looked at */
	size_t n, n_sets;
	int sets[MOVED_SETS];
	int kept[MOVED_SETS];		   /* files of some of them that stay open; 0: none */
	size_t n_items;			   /* that a set holds */
	bool slow;			   /* one was read for the first time */
	unsigned replaced;		   /* for this MOVE */
	struct candidate v[MOVED_AT_ONCE]; /* by .fd */
} found = { .busy = ATOMIC_FLAG_INIT };

void moved_wait_for(int fd)
{
	for (int i = 0; i < MOVED_YIELDS + MOVED_NAPS && atomic_load(&moved_now) == fd; i++)
		if (i < MOVED_YIELDS)
			(void)sched_yield();
		else
			(void)poll(NULL, 0, 1);
}

/* --- the name --------------------------------------------------------------------------------- */

/* Behind the prefix, as digits. */
struct moved_ends {
	uint8_t family;
	uint8_t ports[4]; /* own and peer, in network order */
	uint8_t scope[4];
	uint8_t ip[2][16];
};

#define MOVED_NAME_SIZE (HANDOFF_MOVED_PREFIX_SIZE + 2 * sizeof(struct moved_ends))
static_assert(MOVED_NAME_SIZE <= sizeof(((struct sockaddr_un *)0)->sun_path), "it fits");

static void put_end(struct moved_ends *ends, int which, const struct handoff_addr *addr)
{
	const uint16_t port = htobe16(addr->port);

	ends->family = addr->family;
	memcpy(ends->ports + 2 * which, &port, sizeof(port));
	memcpy(ends->ip[which], addr->ip, sizeof(addr->ip));
	if (addr->scope_id)
		memcpy(ends->scope, &addr->scope_id, sizeof(ends->scope));
}

/* What the app would be told of @fd: our own hooks say it. False: it is no connection of TCP. */
static bool read_ends(int fd, struct moved_ends *ret)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);
	struct handoff_addr a, b;

	memset(ret, 0, sizeof(*ret));
	if (hook_getsockname(fd, (struct sockaddr *)&own, &own_len) < 0 ||
	    hook_getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
	    !handoff_from_sockaddr((struct sockaddr *)&own, own_len, &a) ||
	    !handoff_from_sockaddr((struct sockaddr *)&peer, peer_len, &b))
		return false;
	put_end(ret, 0, &a);
	put_end(ret, 1, &b);
	return true;
}

socklen_t moved_name(int fd, bool peer, struct sockaddr_storage *ret)
{
	struct sockaddr_un name = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(name);
	struct moved_ends ends;
	struct handoff_addr addr = { 0 };
	_keep_errno_ int saved = errno;

	if (real.getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
	    name.sun_family != AF_UNIX ||
	    len != offsetof(struct sockaddr_un, sun_path) + MOVED_NAME_SIZE ||
	    memcmp(name.sun_path, HANDOFF_MOVED_PREFIX, HANDOFF_MOVED_PREFIX_SIZE) != 0 ||
	    !handoff_hex_get(name.sun_path + HANDOFF_MOVED_PREFIX_SIZE, &ends, sizeof(ends)))
		return 0;
	memcpy(&addr.port, ends.ports + 2 * peer, sizeof(addr.port));
	addr.port = be16toh(addr.port);
	memcpy(&addr.scope_id, ends.scope, sizeof(ends.scope));
	memcpy(addr.ip, ends.ip[peer], sizeof(addr.ip));
	addr.family = ends.family;
	return addr_to_sockaddr(&addr, addr_domain(&addr), ret);
}

/* --- which ------------------------------------------------------------------------------------ */

static bool is_of_service(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	struct handoff_addr addr;

	if (real_int_option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP ||
	    real.getsockname(fd, (struct sockaddr *)&own, &len) < 0 ||
	    !handoff_from_sockaddr((struct sockaddr *)&own, len, &addr))
		return false;
	for (size_t i = 0; i < found.move->n_ports; i++)
		if (found.move->ports[i] == addr.port)
			return true;
	return false;
}

static bool is_accepted(int fd)
{
	return epollset_of(fd) != EPOLLSET_UNKNOWN && mark_kind(table_mark(fd)) != MARK_MOVED;
}

static bool are_too_many(int end)
{
	size_t n = 0;

	for (int fd = 0; fd < end; fd++)
		n += is_accepted(fd);
	return n > MOVED_MOST;
}

/* Those from @fd on that the app has accepted, and not copied. Returns where it has stopped. */
static int find_candidates(int fd)
{
	int end = atomic_load(&table_end);

	for (found.n = 0; fd < end && found.n < MOVED_AT_ONCE; fd++) {
		uint64_t ino;

		if (!is_accepted(fd) || !is_of_service(fd))
			continue;
		ino = slot_socket_ino(fd);
		if (ino)
			found.v[found.n++] = (struct candidate){ .fd = fd, .ino = ino };
	}
	return fd;
}

/* An epoll instance has no type in its mode, as few other descriptors. */
static bool find_sets(void)
{
	int end = fdinfo_end();
	struct stat st;

	found.n_sets = 0;
	for (int fd = 0; fd < end; fd++) {
		if (epollset_of(fd) != EPOLLSET_UNKNOWN || fstat(fd, &st) < 0 ||
		    (st.st_mode & S_IFMT))
			continue;
		if (found.n_sets == MOVED_SETS)
			return false;
		found.sets[found.n_sets++] = fd;
	}
	return end >= 0;
}

static struct candidate *candidate_at(int fd)
{
	size_t low = 0, high = found.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (found.v[middle].fd < fd)
			low = middle + 1;
		else
			high = middle;
	}
	return low < found.n && found.v[low].fd == fd ? &found.v[low] : NULL;
}

static bool is_wanted(int tfd)
{
	found.n_items++;
	return candidate_at(tfd);
}

static void find_item(const struct epoll_item *item, void *arg)
{
	struct candidate *c = candidate_at(item->tfd);

	(void)arg;
	if (c->ino != item->ino)
		return;
	c->n_items++;
	c->item = *item;
}

/* --- sets that hold many ---------------------------------------------------------------------- */

/*
 * The kernel writes all of it into a buffer of the open file, which it doubles until that is
 * enough, and begins again each time. In a file that was read before it is large enough.
 */

/* It is still that of @set (-1: of any), in this process: no close() or fork() has changed that. */
static bool is_file_of(int file, int set)
{
	char link[40], is[64], want[64], *end;
	ssize_t n;

	number_write(stpcpy(link, "/proc/self/fd/"), (unsigned)file, 10);
	end = stpcpy(number_write(stpcpy(want, "/proc/"), (unsigned)getpid(), 10), "/fdinfo/");
	if (set >= 0)
		end = number_write(end, (unsigned)set, 10);
	n = readlink(link, is, sizeof(is) - 1);
	is[n < 0 ? 0 : n] = '\0';
	return !strncmp(is, want, (size_t)(end - want) + (set >= 0));
}

static void forget_file(size_t i)
{
	if (found.kept[i] && is_file_of(found.kept[i], -1))
		(void)real.close(found.kept[i]);
	found.kept[i] = 0;
}

static void look_at_set(size_t i)
{
	const struct fdinfo_look look = { found.sets[i], is_wanted, find_item, NULL };
	_cleanup_real_fd_ int file = -1;

	found.n_items = 0;
	if (found.kept[i] && is_file_of(found.kept[i], look.epfd)) {
		(void)lseek(found.kept[i], 0, SEEK_SET);
		fdinfo_each_item(found.kept[i], &look);
		return;
	}
	forget_file(i);
	file = fdinfo_open_items(look.epfd);
	fdinfo_each_item(file, &look);
	if (found.n_items < MOVED_MANY || !is_file_of(file, look.epfd))
		return;
	found.slow = true;
	found.kept[i] = real.fcntl(file, F_DUPFD_CLOEXEC, 1000);
	if (found.kept[i] < 0)
		found.kept[i] = 0;
}

/* --- replaced --------------------------------------------------------------------------------- */

static bool change(const struct candidate *c, int op)
{
	struct epoll_event event = { .events = c->item.events & ~(uint32_t)(EPOLLERR | EPOLLHUP),
				     .data.u64 = c->item.data };

	return real.epoll_ctl(c->item.epfd, op, c->fd, &event) == 0;
}

/* The two ends, the first with the name of @fd. */
static bool make_pair(int fd, int *own, int *other)
{
	int pair[2];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct moved_ends ends;

	if (!read_ends(fd, &ends) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return false;
	*own = pair[0];
	*other = pair[1];
	memcpy(name.sun_path, HANDOFF_MOVED_PREFIX, HANDOFF_MOVED_PREFIX_SIZE);
	handoff_hex_put(name.sun_path + HANDOFF_MOVED_PREFIX_SIZE, &ends, sizeof(ends));
	return real.bind(*own, (struct sockaddr *)&name,
			 offsetof(struct sockaddr_un, sun_path) + MOVED_NAME_SIZE) == 0;
}

/* @c is in no epoll set now. False: the relay takes nothing more, and nothing has changed. */
static bool swap(const struct candidate *c, int own, int other, int seat)
{
	static const struct handoff_offer offer = { { HANDOFF_VERSION, HANDOFF_OFFER,
						      sizeof(offer) } };
	int flags = real.fcntl(c->fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
	_cleanup_real_fd_ int conn = real.fcntl(c->fd, F_DUPFD_CLOEXEC, 3);

	/* A call that sets others after this sees moved_begun, and is repeated. */
	(void)real.fcntl(own, F_SETFL, real.fcntl(c->fd, F_GETFL));
	if (conn < 0 || real.dup3(own, c->fd, flags) < 0)
		return false;
	if (handoff_send(seat, &offer, sizeof(offer), (int[]){ conn, other }, 2, MSG_DONTWAIT) ==
	    0) {
		slot_mark(c->fd, mark_make(MARK_MOVED, NULL));
		found.replaced++;
		return true;
	}
	(void)real.dup3(conn, c->fd, flags);
	return false;
}

/*
 * Replaces @c, whose place in its epoll set it keeps. False: nothing has changed. From the dup3()
 * on, the app writes to the pair: so if the relay cannot be told, what it has written may be lost.
 * That takes a thread that writes in this moment.
 *
 * A thread may have closed @c since we looked, and the number be another connection's: it waits in
 * close() or epoll_ctl() from here on, or we see what it has done. If it has taken @c out of the
 * set, it has work with it.
 */
static bool replace(const struct candidate *c, int seat)
{
	_cleanup_real_fd_ int own = -1, other = -1;
	bool done = false;

	if (!make_pair(c->fd, &own, &other))
		return false;
	atomic_store(&moved_now, c->fd);
	atomic_fetch_add(&moved_begun, 1);
	if (is_accepted(c->fd) && slot_socket_ino(c->fd) == c->ino && change(c, EPOLL_CTL_DEL)) {
		done = swap(c, own, other, seat);
		(void)change(c, EPOLL_CTL_ADD);
	}
	atomic_store(&moved_now, -1);
	return done;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* What was found. False: the seat takes no more. */
static bool replace_found(int seat, const struct blocked *blocked)
{
	for (size_t i = 0; i < found.n; i++) {
		const struct candidate *c = &found.v[i];

		if (found.slow && i == MOVED_FEW) {
			found.next = c->fd;
			return true;
		}
		/* EPOLLONESHOT that has fired: a thread has it. */
		if (c->n_items == 1 && (c->item.events & (EPOLLIN | EPOLLOUT)) &&
		    !blocked_on(blocked, c->fd) && !replace(c, seat) && errno == EPIPE)
			return false;
	}
	return true;
}

static void replace_all(int seat)
{
	uint64_t until_ns = handoff_now_ns() + MOVED_NS;
	struct blocked blocked;
	int end = atomic_load(&table_end);

	if (!real_sees_connections() || are_too_many(end) || !find_sets() ||
	    !blocked_look(&blocked))
		return;
	do {
		found.next = find_candidates(found.next < end ? found.next : 0);
		found.slow = false;
		for (size_t i = 0; found.n && i < found.n_sets; i++)
			look_at_set(i);
		for (size_t i = 0; !found.n && i < MOVED_SETS; i++)
			forget_file(i);
	} while (replace_found(seat, &blocked) && found.next < end && handoff_now_ns() < until_ns);
}

/* A process without connections is the first to read each MOVE. So it waits for another one. */
static void pass_on(int rx, const struct handoff_move *move, int seat)
{
	struct slot *slot = slot_at(rx);
	struct handoff_move next = *move;
	int tx = slot ? slot_hidden(slot, HIDDEN_TX) : -1;

	if (++next.passed <= MOVED_PASSES && tx >= 0 &&
	    handoff_send(tx, &next, sizeof(next), &seat, 1, MSG_DONTWAIT) == 0)
		(void)poll(NULL, 0, (int)next.passed);
}

void moved_begin(int rx, const struct handoff_move *move, int seat)
{
	_keep_errno_ int saved = errno;

	if (owner_is_me() && !atomic_flag_test_and_set(&found.busy)) {
		found.move = move;
		found.replaced = 0;
		replace_all(seat);
		if (!found.replaced)
			pass_on(rx, move, seat);
		atomic_flag_clear(&found.busy);
	}
	handoff_close_fd(&seat);
}
