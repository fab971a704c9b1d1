/* links: worker-shim/preload/fdinfo worker-shim/preload/real */
#include "preload/fdinfo.h"
#include "preload/real.h"
#include "tap.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(a_registration_is_read_whole)
{
	struct epoll_item item;

	CHECK(fdinfo_parse_epoll(
		"tfd:        7 events: 8000001b data:     abcdef0123456789  pos:0 ino:c71363 "
		"sdev:8",
		&item));
	CHECK_EQ(item.tfd, 7);
	CHECK_EQ(item.events, 0x8000001b);
	CHECK_EQ(item.data, 0xabcdef0123456789);
	CHECK_EQ(item.ino, 0xc71363);
	CHECK(fdinfo_parse_epoll(
		"tfd: 2147483647 events: ffffffff data: ffffffffffffffff pos:0 ino:1 sdev:8",
		&item));
	CHECK_EQ(item.tfd, 2147483647);
}

TEST(other_lines_are_not_taken_for_one)
{
	static const char *const lines[] = {
		"",
		"pos:\t0",
		"flags:\t02",
		"mnt_id:\t15",
		"tfd:",
		"tfd: 7",
		"tfd: 7 events: 19",
		"tfd: x events: 19 data: 7 pos:0 ino:1",
		"tfd: -1 events: 19 data: 7 pos:0 ino:1",
		"tfd: 2147483648 events: 19 data: 7 pos:0 ino:1",
		"tfd: 7 events: 1ffffffff data: 7 pos:0 ino:1",
		"tfd: 7 events: 19 data: 10000000000000000 pos:0 ino:1",
		"tfd: 7 events: 19 data: 7 pos:0 ino:",
		"xtfd: 7 events: 19 data: 7 pos:0 ino:1",
	};
	struct epoll_item item;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		CHECK(!fdinfo_parse_epoll(lines[i], &item));
}

TEST(every_cut_line_is_survived)
{
	static const char line[] = "tfd: 7 events: 19 data: 7 pos:0 ino:3c0a";
	struct epoll_item item;

	for (size_t len = 0; len + 5 < sizeof(line); len++) {
		char *copy = malloc(len + 1);

		memcpy(copy, line, len);
		copy[len] = '\0';
		CHECK(!fdinfo_parse_epoll(copy, &item));
		free(copy);
	}
}

struct found {
	int n;
	uint64_t sum;
	uint64_t ino;
};

static void count_item(const struct epoll_item *item, void *arg)
{
	struct found *found = arg;

	if (item->ino == found->ino) {
		found->n++;
		found->sum += item->data;
	}
}

static void count_fd(int fd, void *arg)
{
	struct found *found = arg;

	found->n++;
	found->sum += (uint64_t)fd;
}

static int n_even;

static bool is_even(int fd)
{
	return fd % 2 == 0 && ++n_even;
}

TEST(the_kernel_writes_what_we_read)
{
	enum { MANY = 100 };
	struct found found = { 0 };
	struct fdinfo_look look = { .fn = count_item, .arg = &found };
	int file, ep = epoll_create1(EPOLL_CLOEXEC), fds[MANY],
		  sock = socket(AF_INET, SOCK_STREAM, 0);
	struct stat st;
	uint64_t want = 0;

	real_init();
	CHECK_EQ(fstat(sock, &st), 0);
	found.ino = st.st_ino;
	/* More than one read of the file, so that lines are cut at its buffer's end. */
	for (int i = 0; i < MANY; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = 1000u + (unsigned)i };

		fds[i] = dup(sock);
		want += event.data.u64;
		CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &event), 0);
	}
	file = fdinfo_open_items(ep);
	fdinfo_each_item(file, &look);
	CHECK_EQ(found.n, MANY);
	CHECK_EQ(found.sum, want);
	/* Again, from its beginning, and only some. */
	CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
	look.wants = is_even;
	fdinfo_each_item(file, &look);
	CHECK(n_even > 0 && n_even < MANY);
	CHECK_EQ(found.n, MANY + n_even);
	close(file);
	file = fdinfo_open_items(sock);
	fdinfo_each_item(file, &look); /* no epoll: no items */
	CHECK_EQ(found.n, MANY + n_even);
	CHECK(fdinfo_end() > fds[MANY - 1] && fdinfo_end() > file);
	close(file);

	found = (struct found){ 0 };
	CHECK_EQ(fdinfo_each_fd(count_fd, &found), 0);
	CHECK(found.n >= MANY + 2);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(sock);
	close(ep);
}

TAP_MAIN()
