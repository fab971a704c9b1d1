/* links: broker/sys/retire */
#include "sys/retire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/fd.h"
#include "tap.h"

static uint64_t said;

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TEST(a_number_is_free_after_the_next_state)
{
	int ends[2], read_end, write_end, placeholder = memfd_create("unit", 0);
	char c;

	CHECK_EQ(pipe(ends), 0);
	read_end = ends[0];
	write_end = ends[1];
	retire_begin(placeholder, &said);
	retire_fd(&ends[1]);
	CHECK_EQ(ends[1], -1);
	CHECK_EQ(said, 1);
	CHECK_EQ(read(read_end, &c, 1), 0); /* it is closed */
	CHECK(retire_was(write_end, placeholder));
	CHECK(!retire_was(read_end, placeholder));
	CHECK(!retire_was(placeholder, placeholder));
	CHECK_EQ(fcntl(write_end, F_GETFD), FD_CLOEXEC);
	retire_fd(&ends[0]);
	retire_settled();
	CHECK_EQ(said, 0);
	CHECK(!is_open(write_end));
	CHECK(!is_open(read_end));
	CHECK(is_open(placeholder));
	retire_end();
	(void)close(placeholder);
}

TEST(before_and_after_it_is_free_at_once)
{
	int placeholder = open("/dev/null", O_RDONLY), fd = dup(placeholder), was = fd;

	retire_fd(&fd);
	CHECK_EQ(fd, -1);
	CHECK(!is_open(was));
	retire_begin(placeholder, &said);
	fd = was = dup(placeholder);
	retire_fd(&fd);
	CHECK(is_open(was));
	retire_end();
	CHECK(!is_open(was));
	fd = was = dup(placeholder);
	retire_fd(&fd);
	CHECK(!is_open(was));
	(void)close(placeholder);
}

TEST(what_is_not_open_stays_so_and_errno_is_kept)
{
	int fd = -1, placeholder = open("/dev/null", O_RDONLY);

	retire_begin(placeholder, &said);
	errno = EPROTO;
	retire_fd(&fd);
	CHECK_EQ(fd, -1);
	CHECK_EQ(errno, EPROTO);
	retire_end();
	(void)close(placeholder);
}

TAP_MAIN()
