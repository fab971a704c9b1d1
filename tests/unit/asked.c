/* links: broker/sys/asked_socket broker/base/strbuf */
#include "sys/asked_socket.h"
#include "tap.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct service_conf plain = { .backlog = 16 };

static int new_socket(int domain)
{
	int fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		SKIP("no sockets of this family");
	CHECK(fd >= 0);
	return fd;
}

static int get_int(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	CHECK_EQ(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void set_int(int fd, int level, int name, int value)
{
	CHECK_EQ(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

TEST(an_app_that_says_nothing_has_asked_nothing)
{
	static const struct asked nothing;
	const int domains[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(domains); i++) {
		int fd = new_socket(domains[i]);
		struct asked asked;
		STRBUF(why, 256);

		CHECK_EQ(asked_read(fd, fd, &asked, &why), 0);
		CHECK(!memcmp(&asked, &nothing, sizeof(asked)));
		CHECK_EQ(asked_apply(fd, &asked, &plain, &why), 0);
		CHECK_EQ(get_int(fd, SOL_SOCKET, SO_INCOMING_CPU), -1);
		close(fd);
	}
}

TEST(what_is_read_from_one_socket_is_on_the_other_and_can_be_undone)
{
	int app = new_socket(AF_INET), listener = new_socket(AF_INET);
	struct asked asked, nothing = { .device = "" };
	STRBUF(why, 256);

	set_int(app, IPPROTO_IP, IP_MINTTL, 9);
	set_int(app, SOL_SOCKET, SO_INCOMING_CPU, 0);
	set_int(app, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
	set_int(app, IPPROTO_TCP, TCP_FASTOPEN, 7);
	CHECK_EQ(asked_read(app, app, &asked, &why), 0);
	CHECK_EQ(asked_apply(listener, &asked, &plain, &why), 0);
	CHECK_EQ(get_int(listener, IPPROTO_IP, IP_MINTTL), 9);
	CHECK_EQ(get_int(listener, SOL_SOCKET, SO_INCOMING_CPU), 0);
	CHECK_EQ(get_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT),
		 get_int(app, IPPROTO_TCP, TCP_DEFER_ACCEPT));
	CHECK_EQ(get_int(listener, IPPROTO_TCP, TCP_FASTOPEN), 7);
	CHECK_EQ(asked_apply(listener, &nothing, &plain, &why), 0);
	CHECK_EQ(get_int(listener, IPPROTO_IP, IP_MINTTL), 0);
	CHECK_EQ(get_int(listener, SOL_SOCKET, SO_INCOMING_CPU), -1);
	CHECK_EQ(get_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	CHECK_EQ(get_int(listener, IPPROTO_TCP, TCP_FASTOPEN), 0);
	close(app);
	close(listener);
}

TEST(what_more_is_asked_later_leaves_the_rest)
{
	struct asked asked = { .device = "mgmt0", .values = { [ASKED_MARK] = 1 } };
	const struct asked more = { .values = { [ASKED_MARK] = 2, [ASKED_FASTOPEN] = 3 } };

	asked_add(&asked, &more);
	CHECK_STR(asked.device, "mgmt0");
	CHECK_EQ(asked.values[ASKED_MARK], 2);
	CHECK_EQ(asked.values[ASKED_FASTOPEN], 3);
	asked_add(&asked, &(struct asked){ .device = "mgmt1" });
	CHECK_STR(asked.device, "mgmt1");
	CHECK_EQ(asked.values[ASKED_MARK], 2);
}

TEST(what_cannot_be_done_is_said_by_its_name)
{
	const struct asked asked = { .device = "no-such-device" };
	int fd = new_socket(AF_INET);
	STRBUF(why, 512);

	CHECK_EQ(asked_apply(fd, &asked, &plain, &why), -ENODEV);
	CHECK(strstr(why.text, "SO_BINDTODEVICE") && strstr(why.text, "private_ports"));
	close(fd);
}

TEST(what_is_no_tcp_socket_is_refused)
{
	const int fds[] = { socket(AF_INET, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_STREAM, 0),
			    dup(STDOUT_FILENO), -1 };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct asked asked;
		STRBUF(why, 256);

		CHECK_EQ(asked_read(fds[i], fds[i], &asked, &why), -EPROTO);
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

TAP_MAIN()
