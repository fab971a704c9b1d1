/* links: broker/sys/sockdiag broker/base/paths broker/base/strbuf */
#include "sys/sockdiag.h"
#include "tap.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t inode_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return st.st_ino;
}

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int listen_on(int family, uint16_t *ret_port)
{
	union address a = { .sa.sa_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof(a.in) : sizeof(a.in6);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a.in6.sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, &a.sa, len) < 0)
		SKIP("no loopback address of this family");
	CHECK_EQ(listen(fd, 16), 0);
	CHECK_EQ(getsockname(fd, &a.sa, &len), 0);
	*ret_port = ntohs(family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
	return fd;
}

static int connect_to(int listener)
{
	union address a;
	socklen_t len = sizeof(a);
	int fd;

	CHECK_EQ(getsockname(listener, &a.sa, &len), 0);
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(fd, &a.sa, len), 0);
	return fd;
}

/* The only one in @states at @port; all zero: there is none. */
static struct sockdiag_socket only(enum sockdiag_states states, uint16_t port)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };

	CHECK_EQ(sockdiag_find(states, port, &all), 0);
	CHECK(all.n <= 1);
	return all.n ? all.v[0] : (struct sockdiag_socket){ 0 };
}

static bool has(uint16_t port, uint64_t inode)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 };

	CHECK_EQ(sockdiag_find(SOCKDIAG_OPEN, port, &all), 0);
	return sockdiag_get(&all, inode) != NULL;
}

static void check_family(int family)
{
	struct sockdiag_socket found;
	int listener, client, conn;
	uint16_t port;

	listener = listen_on(family, &port);
	found = only(SOCKDIAG_LISTENS, port);
	CHECK_EQ(found.inode, inode_of(listener));
	CHECK_EQ(found.local.family, family == AF_INET ? 4 : 6);
	CHECK_EQ(found.local.port, port);
	CHECK_EQ(found.local.ip[family == AF_INET ? 0 : 15], family == AF_INET ? 127 : 1);

	client = connect_to(listener);
	conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(conn >= 0);
	CHECK(has(port, inode_of(conn)));
	/* The client's end has this port on the other side; a listener is no connection. */
	CHECK(!has(port, inode_of(client)));
	CHECK(!has(port, inode_of(listener)));
	CHECK_EQ(sockdiag_handshakes(port), 0);

	/* Half closed is still served; closed by its process is not. */
	CHECK_EQ(shutdown(client, SHUT_WR), 0);
	CHECK(has(port, inode_of(conn)));
	{
		uint64_t inode = inode_of(conn);

		close(conn);
		CHECK(!has(port, inode));
	}
	close(client);
	close(listener);
}

TEST(ipv4_sockets_are_found)
{
	check_family(AF_INET);
}

TEST(ipv6_sockets_are_found)
{
	check_family(AF_INET6);
}

TEST(only_the_port_that_was_asked_for)
{
	uint16_t port, other_port;
	int a = listen_on(AF_INET, &port), b = listen_on(AF_INET, &other_port);

	CHECK_EQ(only(SOCKDIAG_LISTENS, other_port).inode, inode_of(b));
	close(b);
	CHECK_EQ(only(SOCKDIAG_LISTENS, other_port).inode, 0);
	close(a);
}

TEST(of_any_port_or_of_one)
{
	_cleanup_sockets_ struct sockdiag_list all = { 0 }, one = { 0 };
	uint16_t port;
	int a = listen_on(AF_INET, &port), b = listen_on(AF_INET6, &port);

	CHECK_EQ(sockdiag_find(SOCKDIAG_LISTENS, 0, &all), 0);
	CHECK(sockdiag_get(&all, inode_of(a)) && sockdiag_get(&all, inode_of(b)));
	CHECK_EQ(sockdiag_find(SOCKDIAG_LISTENS, port, &one), 0);
	CHECK_EQ(one.n, 1);
	close(a);
	close(b);
}

/* More than one netlink message holds. */
TEST(many_connections_are_all_found)
{
	enum { N = 200 };
	static int client[N], conn[N];
	struct sockdiag_list set = { 0 };
	uint16_t port;
	int listener = listen_on(AF_INET, &port);

	for (int i = 0; i < N; i++) {
		client[i] = connect_to(listener);
		conn[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		CHECK(conn[i] >= 0);
	}
	CHECK_EQ(sockdiag_find(SOCKDIAG_OPEN, port, &set), 0);
	CHECK_EQ(set.n, N);
	for (int i = 0; i < N; i++)
		CHECK(sockdiag_get(&set, inode_of(conn[i])));
	CHECK(!sockdiag_get(&set, inode_of(listener)));
	sockdiag_list_deinit(&set);
	CHECK(!sockdiag_get(&set, 1));
	for (int i = 0; i < N; i++) {
		close(client[i]);
		close(conn[i]);
	}
	close(listener);
}

/* From a port that ends steps: see OTHERS_LOW. */
static int connect_from(int listener, uint16_t first)
{
	struct sockaddr_in own = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	union address to;
	socklen_t len = sizeof(to);
	struct linger reset = { .l_onoff = 1 }; /* so that the port is free at once */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = -1;

	CHECK_EQ(getsockname(listener, &to.sa, &len), 0);
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	for (unsigned i = 0; r < 0 && i < 200; i++) {
		own.sin_port = htons((uint16_t)(first + i));
		r = bind(fd, (struct sockaddr *)&own, sizeof(own));
	}
	CHECK_EQ(r, 0);
	CHECK_EQ(connect(fd, &to.sa, len), 0);
	return fd;
}

TEST(what_is_not_asked_for_does_not_make_a_step_long)
{
	enum { N = 200 };
	static int client[N], conn[N];
	struct sockdiag_walk w = SOCKDIAG_WALK(.states = SOCKDIAG_OPEN);
	int unused, listener = listen_on(AF_INET, &w.low), steps = 1;

	unused = listen_on(AF_INET, &w.low);
	w.high = w.low;
	for (int i = 0; i < N; i++) {
		client[i] = connect_from(listener, (uint16_t)(40000 + 4 * i));
		conn[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	}
	CHECK_EQ(sockdiag_begin(&w), 0);
	while (sockdiag_step(&w) > 0)
		steps++;
	CHECK_EQ(w.found.n, 0);
	CHECK(steps >= 3); /* each has room for 60 to 90 */
	sockdiag_end(&w);
	for (int i = 0; i < N; i++) {
		close(client[i]);
		close(conn[i]);
	}
	close(listener);
	close(unused);
}

TAP_MAIN()
