/* links: */
#include "handoff_rights.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

static int pair[2];

static void close_fd(int *fd)
{
	CHECK_EQ(close(*fd), 0);
}

/* What a peer may make of a message: @n_messages control messages, each with @n_each descriptors.
 */
static void send_rights(unsigned n_messages, unsigned n_each)
{
	union {
		struct cmsghdr align;
		char buf[512];
	} ctl = { .buf = { 0 } };
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf };
	struct cmsghdr *c;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(null >= 0);
	msg.msg_controllen = n_messages * CMSG_SPACE(n_each * sizeof(int));
	CHECK(msg.msg_controllen <= sizeof(ctl.buf));
	c = CMSG_FIRSTHDR(&msg);
	for (unsigned i = 0; i < n_messages; i++, c = CMSG_NXTHDR(&msg, c)) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_each * sizeof(int));
		for (unsigned k = 0; k < n_each; k++)
			memcpy(CMSG_DATA(c) + k * sizeof(int), &null, sizeof(int));
	}
	if (!msg.msg_controllen)
		msg.msg_control = NULL;
	CHECK_EQ(sendmsg(pair[0], &msg, 0), 1);
	CHECK_EQ(close(null), 0);
}

/* Receives with room for @room descriptors and takes @max. */
static size_t receive_rights(size_t room, int *fds, size_t max)
{
	union {
		struct cmsghdr align;
		char buf[512];
	} ctl;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl.buf,
			      .msg_controllen = CMSG_LEN(room * sizeof(int)) };

	CHECK_EQ(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 1);
	return handoff_take_rights(&msg, fds, max, close_fd);
}

static unsigned count_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whatever comes: at most @max are taken, in order, and no other stays open. */
TEST(as_many_as_are_wanted_are_taken_and_every_other_is_closed)
{
	unsigned before;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	before = count_open();
	for (unsigned n_messages = 0; n_messages <= 3; n_messages++)
		for (unsigned n_each = 1; n_each <= 4; n_each++)
			for (size_t room = 1; room <= 16; room++)
				for (size_t max = 0; max <= 3; max++) {
					int fds[4] = { -1, -1, -1, -1 };
					size_t n;

					send_rights(n_messages, n_each);
					n = receive_rights(room, fds, max);
					CHECK(n <= max && n <= (size_t)n_messages * n_each);
					if (room >= (size_t)n_messages * n_each && max >= 1)
						CHECK_EQ(n > 0, n_messages > 0);
					CHECK_EQ(count_open(), before + n);
					for (size_t i = 0; i < n; i++)
						CHECK_EQ(close(fds[i]), 0);
					CHECK_EQ(fds[n], -1);
				}
	CHECK_EQ(close(pair[0]), 0);
	CHECK_EQ(close(pair[1]), 0);
}

static void is_not_called(int *fd)
{
	CHECK_EQ(*fd, -1);
}

/* Of a message that the kernel has not seen, as an app gives it to sendmsg(2). */
TEST(lengths_that_lie_give_no_descriptor)
{
	static const size_t lengths[] = {
		0, 1, CMSG_LEN(0), CMSG_LEN(0) + 3, CMSG_LEN(8) + 1, 4096, SIZE_MAX
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} ctl = { .buf = { 0 } };
	struct msghdr msg = { .msg_control = ctl.buf, .msg_controllen = CMSG_LEN(8) };

	ctl.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ctl.align.cmsg_len = lengths[i];
		CHECK_EQ(handoff_take_rights(&msg, NULL, 0, is_not_called), 0);
	}
}

TAP_MAIN()
