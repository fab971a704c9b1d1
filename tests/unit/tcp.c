/* links: broker/sys/tcp broker/sys/asked_socket broker/sys/proc broker/sys/dir broker/sys/pair
 */
/* links: broker/sys/sockdiag broker/base/address broker/base/units broker/base/strbuf */
/* links: broker/base/paths */
/* links: broker/sys/pid_set */
/* wrap: accept4 */
#include "sys/tcp.h"
#include "base/address.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int accept_error; /* what accept4(2) fails with; 0: it is asked */

int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	if (!accept_error)
		return __real_accept4(fd, sa, len, flags);
	errno = accept_error;
	return -1;
}

static struct service_conf conf = { .backlog = 16 };
static int error; /* of tcp_accept() */
static const struct asked nothing;
static const struct handoff_addr loopback = { .family = 4, 0, .ip = { 127, 0, 0, 1 } };

static int open_one(const struct handoff_addr *addr)
{
	STRBUF(why, 256);
	int fd = -1, r = tcp_bind(addr, &conf, &nothing, false, &why, &fd);

	if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
		SKIP("no loopback address of this family");
	CHECK_EQ(r, 0);
	CHECK_EQ(tcp_listen(fd, &conf), 0);
	return fd;
}

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	CHECK_EQ(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

/* Begins to connect; on the loopback the handshake, if there is one, is over when this returns. */
static int start_connect(int listener)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	int fd;

	CHECK_EQ(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0);
	CHECK(connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS);
	return fd;
}

static int tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return info.tcpi_state;
}

static void wait_connected(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(get_int(fd, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(tcp_state(fd), TCP_ESTABLISHED);
}

/* Both directions, so that the filter of the listener is in nobody's way. */
static void check_talk(int a, int b)
{
	struct pollfd p = { .fd = b, .events = POLLIN };
	char byte = 0;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(write(i ? b : a, "x", 1), 1);
		p.fd = i ? a : b;
		CHECK_EQ(poll(&p, 1, -1), 1);
		CHECK_EQ(read(p.fd, &byte, 1), 1);
	}
}

TEST(a_connection_comes_out_blocking_with_its_peer)
{
	struct handoff_addr peer;
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	int fd = open_one(&loopback), client, conn = -1;

	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(tcp_accept(fd, 0, &conn, &peer, &error), ACCEPT_NONE);
	CHECK_EQ(conn, -1);
	client = start_connect(fd);
	wait_connected(client);
	CHECK_EQ(tcp_accept(fd, 0, &conn, &peer, &error), ACCEPT_DONE);
	CHECK(fcntl(conn, F_GETFD) & FD_CLOEXEC);
	CHECK(!(fcntl(conn, F_GETFL) & O_NONBLOCK));
	CHECK_EQ(getsockname(client, (struct sockaddr *)&own, &len), 0);
	CHECK_EQ(peer.family, 4);
	CHECK_EQ(peer.port, ntohs(own.sin_port));
	CHECK(!memcmp(peer.ip, loopback.ip, sizeof(peer.ip)));
	check_talk(client, conn);
	close(conn);
	close(client);
	close(fd);
}

TEST(a_client_over_a_dual_stack_listener_is_ipv4)
{
	const struct handoff_addr any = { .family = 6 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6;
	socklen_t len = sizeof(sin6);
	struct handoff_addr peer;
	int fd = open_one(&any), client, conn;

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sin6, &len), 0);
	to.sin_port = sin6.sin6_port;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	CHECK_EQ(tcp_accept(fd, 0, &conn, &peer, &error), ACCEPT_DONE);
	CHECK_EQ(peer.family, 4);
	CHECK(!memcmp(peer.ip, loopback.ip, sizeof(peer.ip)));
	close(conn);
	close(client);
	close(fd);
}

TEST(we_connect_to_ourselves)
{
	static const uint8_t families[] = { 4, 6 };
	struct handoff_addr from, peer = { 0 };
	int listener, client, fd;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct pollfd p = { .events = POLLIN };

		CHECK_EQ(tcp_connect_to_self(families[i], &listener, &client, &from), 0);
		p.fd = listener;
		CHECK_EQ(poll(&p, 1, 10000), 1);
		CHECK_EQ(tcp_accept(listener, 0, &fd, &peer, &error), ACCEPT_DONE);
		CHECK(address_equal(&peer, &from));
		CHECK(peer.family == families[i] || peer.family == 4);
		CHECK_EQ(send(client, "x", 1, 0), 1);
		p.fd = fd;
		CHECK_EQ(poll(&p, 1, 10000), 1);
		close(fd);
		close(client);
		close(listener);
	}
}

TEST(each_error_of_accept_means_what_it_should)
{
	static const struct {
		int error, want;
	} cases[] = {
		{ EAGAIN, ACCEPT_NONE },
		/* the connection failed on its way: accept(2) */
		{ ENETDOWN, ACCEPT_RETRY },
		{ EPROTO, ACCEPT_RETRY },
		{ ENOPROTOOPT, ACCEPT_RETRY },
		{ EHOSTDOWN, ACCEPT_RETRY },
		{ ENONET, ACCEPT_RETRY },
		{ EHOSTUNREACH, ACCEPT_RETRY },
		{ ENETUNREACH, ACCEPT_RETRY },
		{ ECONNABORTED, ACCEPT_RETRY },
		{ EINTR, ACCEPT_RETRY },
		{ EPERM, ACCEPT_RETRY },
		{ ECONNREFUSED, ACCEPT_RETRY },
		{ ECONNRESET, ACCEPT_RETRY },
		{ ENOTCONN, ACCEPT_RETRY },
		{ ETIMEDOUT, ACCEPT_RETRY },
		/* ours: it stays in the backlog */
		{ EMFILE, ACCEPT_EXHAUSTED },
		{ ENFILE, ACCEPT_EXHAUSTED },
		{ ENOBUFS, ACCEPT_EXHAUSTED },
		{ ENOMEM, ACCEPT_EXHAUSTED },
		/* no listening socket: a bug */
		{ EBADF, ACCEPT_FAILED },
		{ EINVAL, ACCEPT_FAILED },
		{ ENOTSOCK, ACCEPT_FAILED },
		{ EFAULT, ACCEPT_FAILED },
		{ EOPNOTSUPP, ACCEPT_RETRY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct handoff_addr peer = { .port = 77 };
		int fd = -7;

		accept_error = cases[i].error;
		CHECK_EQ(tcp_accept(3, 0, &fd, &peer, &error), cases[i].want);
		CHECK_EQ(error, cases[i].error);
		CHECK_EQ(fd, -7);
		CHECK_EQ(peer.port, 77);
	}
}

TEST(no_syn_comes_in_but_what_is_in_the_backlog_comes_out)
{
	struct handoff_addr peer;
	int fd = open_one(&loopback), probe = open_one(&loopback), before, after, other, conn, late;

	before = start_connect(fd);
	wait_connected(before);
	CHECK_EQ(tcp_stop_syns(fd), 0);
	after = start_connect(fd);
	/* Whoever came later, elsewhere, is through: so the first would be too. */
	other = start_connect(probe);
	wait_connected(other);
	CHECK_EQ(tcp_state(after), TCP_SYN_SENT);

	/* Accepted now, it has no filter; it would not matter, as no more SYN is for it. */
	CHECK_EQ(tcp_accept(fd, 0, &conn, &peer, &error), ACCEPT_DONE);
	tcp_remove_filter(conn);
	check_talk(before, conn);
	CHECK_EQ(tcp_accept(fd, 0, &late, &peer, &error), ACCEPT_NONE);
	CHECK_EQ(tcp_state(after), TCP_SYN_SENT);

	/* Let in again: the client tries once more by itself. */
	tcp_remove_filter(fd);
	tcp_remove_filter(fd);
	wait_connected(after);
	CHECK_EQ(tcp_accept(fd, 0, &late, &peer, &error), ACCEPT_DONE);
	check_talk(after, late);
	close(late);
	close(after);
	close(conn);
	close(before);
	close(other);
	close(probe);
	close(fd);
}

TEST(a_sample_says_what_came_and_what_went)
{
	int listener = open_one(&loopback), client = start_connect(listener), conn;
	struct handoff_addr peer;
	struct idle_sample s;
	char buf[8];

	CHECK_EQ(tcp_sample(listener, &s), -ENOTCONN);
	wait_connected(client);
	CHECK_EQ(tcp_accept(listener, 0, &conn, &peer, &error), ACCEPT_DONE);
	CHECK_EQ(tcp_local_port(conn), tcp_local_port(listener));
	CHECK_EQ(tcp_local_port(client), peer.port);
	CHECK_EQ(tcp_sample(conn, &s), 0);
	CHECK_EQ(s.received, 0);
	CHECK_EQ(write(client, "abc", 3), 3);
	CHECK_EQ(tcp_sample(conn, &s), 0);
	CHECK_EQ(s.received, 3);
	CHECK_EQ(s.unread, 3);
	CHECK_EQ(s.requests, 1);
	CHECK_EQ(tcp_written(conn), 0);
	CHECK_EQ(read(conn, buf, sizeof(buf)), 3);
	{
		uint64_t before = s.written;

		CHECK_EQ(write(conn, "answer", 6), 6);
		CHECK_EQ(tcp_sample(conn, &s), 0);
		CHECK_EQ(s.written, before + 6);
		CHECK_EQ(tcp_written(conn), 6);
	}
	CHECK_EQ(s.unread, 0);
	CHECK_EQ(tcp_sample(client, &s), 0);
	CHECK_EQ(s.unread, 6);
	close(client);
	CHECK_EQ(tcp_sample(conn, &s), -ENOTCONN);
	close(conn);
	close(listener);
}

TEST(options_are_set_and_inherited)
{
	STRBUF(why, 256);
	struct handoff_addr peer;
	int fd, client, conn;

	conf.tcp_nodelay = conf.so_keepalive = true;
	conf.tcp_keepidle_s = 123;
	conf.tcp_user_timeout_ms = 4567;
	fd = open_one(&loopback);
	CHECK_EQ(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 1);
	client = start_connect(fd);
	wait_connected(client);
	CHECK_EQ(tcp_accept(fd, 0, &conn, &peer, &error), ACCEPT_DONE);
	CHECK_EQ(get_int(conn, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(get_int(conn, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(get_int(conn, IPPROTO_TCP, TCP_KEEPIDLE), 123);
	CHECK_EQ(get_int(conn, IPPROTO_TCP, TCP_USER_TIMEOUT), 4567);
	close(conn);
	close(client);

	conf.tcp_keepidle_s = 321;
	CHECK_EQ(tcp_configure(fd, &conf, &nothing, &why), 0);
	CHECK_EQ(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 321);
	close(fd);
}

TEST(a_port_that_is_taken_is_said_and_nothing_is_left_open)
{
	struct handoff_addr addr = loopback;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd = open_one(&loopback), again = -1;
	STRBUF(why, 256);

	CHECK_EQ(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	addr.port = ntohs(sin.sin_port);
	CHECK_EQ(tcp_bind(&addr, &conf, &nothing, false, &why, &again), -EADDRINUSE);
	CHECK_EQ(again, -1);
	close(fd);
}

/* What is set on it afterwards must not bring its clients back. */
TEST(a_hidden_listener_stays_hidden_whatever_is_configured)
{
	int fd = open_one(&loopback);
	STRBUF(why, 256);

	CHECK_EQ(tcp_hide(fd), 0);
	CHECK_EQ(tcp_configure(fd, &conf, &nothing, &why), 0);
	CHECK_EQ(get_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX), ASKED_NO_INTERFACE);
	close(fd);
}

TEST(v6only_leaves_ipv4_to_others)
{
	struct handoff_addr addr = { .family = 6, .flags = HANDOFF_V6ONLY };
	int fd = open_one(&addr);

	CHECK_EQ(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	close(fd);
	addr.flags = 0;
	fd = open_one(&addr);
	CHECK_EQ(get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	close(fd);
}

TAP_MAIN()
