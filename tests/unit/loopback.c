/* links: broker/sys/loopback broker/sys/tcp broker/sys/sockdiag broker/sys/proc
 */
/* links: broker/base/address broker/base/units broker/base/strbuf */
/* wrap: connect */
#include <fcntl.h>
#include <netinet/in.h>
#include "sys/loopback.h"
#include "base/fd.h"
#include "sys/proc.h"
#include "tap.h"

static bool stranger_first; /* somebody else is faster to connect */
static int stranger = -1;

int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (stranger_first) {
		stranger = socket(sa->sa_family, SOCK_STREAM, 0);
		CHECK_EQ(__real_connect(stranger, sa, len), 0);
	}
	return __real_connect(fd, sa, len);
}

static void check_pair(uint8_t family)
{
	_cleanup_fd_ int accepted = -1, own = -1;
	struct handoff_addr peer;
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);
	char buf[4] = "";

	CHECK_EQ(loopback_pair(family, &accepted, &own, &peer), 0);
	CHECK_EQ(peer.family, family);
	CHECK_EQ(getsockname(own, (struct sockaddr *)&name, &len), 0);
	CHECK_EQ(peer.port, ntohs(name.sin6_port));
	CHECK(!(fcntl(accepted, F_GETFL) & O_NONBLOCK));
	CHECK(fcntl(own, F_GETFL) & O_NONBLOCK);
	CHECK(fcntl(accepted, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(write(own, "ab", 2), 2);
	CHECK_EQ(read(accepted, buf, sizeof(buf)), 2);
	fd_closep(&own);
	CHECK_EQ(read(accepted, buf, sizeof(buf)), 0);
}

TEST(both_ends_are_one_connection)
{
	check_pair(4);
}

TEST(so_it_is_with_ipv6)
{
	int probe = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 lo = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	bool has_ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&lo, sizeof(lo)) == 0;

	fd_closep(&probe);
	if (has_ipv6)
		check_pair(6);
}

TEST(a_stranger_is_not_taken_for_the_own_client)
{
	stranger_first = true;
	check_pair(4);
	stranger_first = false;
	fd_closep(&stranger);
}

TEST(nothing_else_is_left_open)
{
	struct proc_own_usage before, after;

	proc_own_usage(&before);
	check_pair(4);
	proc_own_usage(&after);
	CHECK_EQ(before.open_fds, after.open_fds);
}

TAP_MAIN()
