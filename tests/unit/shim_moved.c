/* links: worker-shim/preload/moved worker-shim/preload/blocked worker-shim/preload/real */
/* links: worker-shim/preload/hooks_fd worker-shim/preload/hooks_name */
/* links: worker-shim/preload/hooks_path worker-shim/preload/adopt worker-shim/preload/addr */
/* links: worker-shim/preload/shim worker-shim/preload/slot worker-shim/preload/table */
/* links: worker-shim/preload/options worker-shim/preload/environ worker-shim/preload/fdinfo */
/* wrap: sched_yield */
/* What another thread does with a connection in the middle of being replaced (moved.c). */
#include "preload/moved.h"
#include "preload/real.h"
#include "preload/slot.h"
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/epoll.h>

#define DATA  1
#define OTHER 2

static int listener = -1, set = -1;
static _Atomic bool waits; /* some thread, for the one that replaces */

int __real_sched_yield(void);
int __wrap_sched_yield(void);
int __wrap_sched_yield(void)
{
	atomic_store(&waits, true);
	return __real_sched_yield();
}

static void until(const _Atomic bool *one, const _Atomic bool *other)
{
	while (!atomic_load(one) && !atomic_load(other))
		(void)__real_sched_yield();
}

static struct handoff_move move = { { HANDOFF_VERSION, HANDOFF_MOVE, sizeof(move) }, .n_ports = 1 };

static void begin(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);

	real_ready();
	table_raise_end(100); /* a MOVE goes on behind the last one, which was the end of all */
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(real.bind(listener, (struct sockaddr *)&addr, len) == 0);
	CHECK(real.listen(listener, 8) == 0);
	CHECK(real.getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	move.ports[0] = ntohs(addr.sin_port);
	set = epoll_create1(EPOLL_CLOEXEC);
	CHECK(set >= 0);
}

static void end(void)
{
	(void)real.close(set);
	(void)real.close(listener);
}

static int connection(int *client)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(real.getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	CHECK(real.connect(*client, (struct sockaddr *)&addr, len) == 0);
	return real.accept(listener, NULL, NULL);
}

/* As the library's accept() leaves @fd, and the app puts it into the set. */
static int accepted(int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	epollset_accepted(fd, &table_slots[0], 0);
	CHECK(hook_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
	return fd;
}

/* Sends a MOVE through. The number of connections that came to the relay. */
static size_t moved(void)
{
	int seat[2], fds[2];
	struct handoff_offer offer;
	size_t n = 0;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, seat) == 0);
	moved_begin(-1, &move, seat[0]);
	for (;;) {
		union {
			struct cmsghdr head;
			char room[CMSG_SPACE(sizeof(fds))];
		} control;
		struct iovec iov = { &offer, sizeof(offer) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };

		if (real.recvmsg(seat[1], &msg, MSG_DONTWAIT) <= 0)
			break;
		memcpy(fds, CMSG_DATA(&control.head), sizeof(fds));
		(void)real.close(fds[0]);
		(void)real.close(fds[1]);
		n++;
	}
	(void)real.close(seat[1]);
	return n;
}

TEST(a_connection_in_an_epoll_set_goes_to_the_relay)
{
	int client, fd;

	begin();
	fd = accepted(connection(&client), DATA);
	CHECK_EQ(moved(), 1);
	CHECK_EQ(mark_kind(table_mark(fd)), MARK_MOVED);
	CHECK_EQ(real_int_option(fd, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	CHECK_EQ(moved(), 0);
	(void)hook_close(fd);
	(void)real.close(client);
	end();
}

/* --- a thread that closes it -------------------------------------------------------------------
 */

static struct real libc;
static int conn;
static _Atomic bool is_swapped, closed_early;
static pthread_t thread;

static int dup3_seen(int from, int to, int flags)
{
	int r = libc.dup3(from, to, flags);

	atomic_store(&is_swapped, true);
	return r;
}

static int close_seen(int fd)
{
	if (fd == conn && !atomic_load(&is_swapped))
		atomic_store(&closed_early, true);
	return libc.close(fd);
}

static void *close_it(void *unused)
{
	(void)unused;
	CHECK(hook_close(conn) == 0);
	return NULL;
}

/* It is out of the set: here the thread begins, and closes it if it does not wait. */
static int epoll_ctl_seen(int epfd, int op, int fd, struct epoll_event *event)
{
	int r = libc.epoll_ctl(epfd, op, fd, event);

	if (op == EPOLL_CTL_DEL && fd == conn && !thread) {
		CHECK(pthread_create(&thread, NULL, close_it, NULL) == 0);
		until(&waits, &closed_early);
	}
	return r;
}

TEST(who_closes_what_is_just_being_replaced_waits_until_it_is)
{
	int client;

	begin();
	conn = accepted(connection(&client), DATA);
	libc = real;
	atomic_store(&waits, false);
	real.dup3 = dup3_seen;
	real.close = close_seen;
	real.epoll_ctl = epoll_ctl_seen;
	CHECK_EQ(moved(), 1);
	CHECK(pthread_join(thread, NULL) == 0);
	real = libc;
	CHECK(!atomic_load(&closed_early));
	CHECK(real.fcntl(conn, F_GETFD) < 0);
	(void)real.close(client);
	end();
}

/* --- one that asks what it is, or copies it --------------------------------------------------- */

static _Atomic bool asks, answered;
static size_t n_moved;

/* It has been replaced, which the table does not say yet; or @early: it is about to be. */
static bool early;

static int dup3_unsaid(int from, int to, int flags)
{
	int r = to == conn && early ? 0 : libc.dup3(from, to, flags);

	if (to != conn)
		return r;
	atomic_store(&is_swapped, true);
	until(&waits, &answered);
	return early ? libc.dup3(from, to, flags) : r;
}

static void *move_it(void *unused)
{
	(void)unused;
	n_moved = moved();
	return NULL;
}

/* The thread that replaces comes in between the hook and the kernel. */
static void let_move(void)
{
	static const _Atomic bool never;

	if (atomic_exchange(&asks, true))
		return;
	CHECK(pthread_create(&thread, NULL, move_it, NULL) == 0);
	until(&is_swapped, &never);
}

static int getsockname_seen(int fd, struct sockaddr *addr, socklen_t *len)
{
	let_move();
	return libc.getsockname(fd, addr, len);
}

static int getsockopt_seen(int fd, int level, int name, void *value, socklen_t *len)
{
	let_move();
	return libc.getsockopt(fd, level, name, value, len);
}

static int setsockopt_seen(int fd, int level, int name, const void *value, socklen_t len)
{
	let_move();
	return libc.setsockopt(fd, level, name, value, len);
}

static void during_a_move(void (*act)(void))
{
	int client;

	begin();
	conn = accepted(connection(&client), DATA);
	libc = real;
	atomic_store(&waits, false);
	atomic_store(&asks, false);
	atomic_store(&answered, false);
	atomic_store(&is_swapped, false);
	real.dup3 = dup3_unsaid;
	act();
	atomic_store(&answered, true);
	CHECK(pthread_join(thread, NULL) == 0);
	real = libc;
	CHECK_EQ(n_moved, 1);
	(void)hook_close(conn);
	(void)real.close(client);
	end();
}

static void ask_name(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	real.getsockname = getsockname_seen;
	CHECK_EQ(hook_getsockname(conn, (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(addr.sin_family, AF_INET);
	CHECK_EQ(ntohs(addr.sin_port), move.ports[0]);
	CHECK_EQ(len, sizeof(addr));
}

static void ask_option(void)
{
	int domain = -1;
	socklen_t len = sizeof(domain);

	real.getsockopt = getsockopt_seen;
	CHECK_EQ(hook_getsockopt(conn, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
	CHECK_EQ(domain, AF_INET);
}

static void set_option(void)
{
	int on = 1;

	real.setsockopt = setsockopt_seen;
	CHECK_EQ(hook_setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

static int fcntl_seen(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd == F_SETFL)
		let_move();
	return libc.fcntl(fd, cmd, arg);
}

/* Of the connection, whose flags have been read for the pair by then. */
static void set_flag(void)
{
	early = true;
	real.fcntl = fcntl_seen;
	CHECK_EQ(fcntl(conn, F_SETFL, O_NONBLOCK), 0);
	CHECK_EQ(real_int_option(conn, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	CHECK(libc.fcntl(conn, F_GETFL) & O_NONBLOCK);
	early = false;
}

static void copy_it(void)
{
	int copy;

	let_move();
	copy = hook_dup(conn);
	CHECK(copy >= 0);
	CHECK_EQ(real_int_option(copy, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	CHECK_EQ(mark_kind(table_mark(copy)), MARK_MOVED);
	(void)hook_close(copy);
}

TEST(what_is_asked_while_it_is_replaced_is_answered_of_the_connection)
{
	during_a_move(ask_name);
	during_a_move(ask_option);
	during_a_move(set_option);
	during_a_move(set_flag);
}

TEST(a_copy_that_is_made_meanwhile_is_one_of_what_stands_there_then)
{
	during_a_move(copy_it);
}

/* --- and a number that is another connection's by then -----------------------------------------
 */

static int next; /* -1: it is at that number */

static int bind_seen(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (next >= 0) {
		CHECK(hook_close(conn) == 0);
		CHECK_EQ(real.dup2(next, conn), conn);
		(void)real.close(next);
		next = -1;
		(void)accepted(conn, OTHER);
	}
	return libc.bind(fd, addr, len);
}

TEST(what_was_closed_since_it_was_looked_at_is_not_mixed_up)
{
	struct epoll_event event = { 0 };
	int clients[2];

	begin();
	conn = accepted(connection(&clients[0]), DATA);
	next = connection(&clients[1]);
	libc = real;
	real.bind = bind_seen;
	CHECK_EQ(moved(), 0);
	real = libc;
	CHECK_EQ(real_int_option(conn, SOL_SOCKET, SO_DOMAIN), AF_INET);
	CHECK_EQ(write(clients[1], "x", 1), 1);
	CHECK_EQ(epoll_wait(set, &event, 1, 10000), 1);
	CHECK_EQ(event.data.u64, OTHER);
	(void)hook_close(conn);
	(void)real.close(clients[0]);
	(void)real.close(clients[1]);
	end();
}

TAP_MAIN()
