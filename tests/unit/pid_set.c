/* links: broker/sys/pid_set */
/* wrap: pread */
#include "sys/pid_set.h"
#include "tap.h"

#include <errno.h>
#include <unistd.h>

/* What the kernel says of one list, each time that it is read from its start. */
static const char *const *says;
static bool never_the_same;
static unsigned n_read;

ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at)
{
	(void)fd;
	if (at) /* the whole list was in the first part */
		return 0;
	n_read++;
	if (never_the_same)
		return snprintf(buf, size, "11 %u ", 100 + n_read);
	if (!*says) {
		errno = ESRCH;
		return -1;
	}
	return snprintf(buf, size, "%s", *says++);
}

TEST(a_set_of_pids_has_each_once)
{
	struct pid_set set = { 0 };

	for (int round = 0; round < 2; round++)
		for (pid_t pid = 2; pid < 100; pid++)
			CHECK_EQ(pid_set_add(&set, pid), 0);
	CHECK_EQ(set.n, 98);
	CHECK(pid_set_has(&set, 99) && !pid_set_has(&set, 100));
	pid_set_deinit(&set);
	CHECK_EQ(set.n, 0);
}

/* 10 is reaped while it is read, and 12 left out for that. */
TEST(what_the_kernel_has_left_out_is_found)
{
	struct pid_set set = { 0 };

	says = (const char *const[]){ "10 11 13 ", "11 12 13 ", "11 12 13 ", "11 12 13 ", NULL };
	CHECK_EQ(pid_set_add_listed(&set, -1), 0);
	CHECK_EQ(set.n, 4);
	for (pid_t pid = 10; pid <= 13; pid++)
		CHECK(pid_set_has(&set, pid));
	pid_set_deinit(&set);
}

TEST(a_list_of_nobody_is_read_once)
{
	struct pid_set set = { 0 };

	says = (const char *const[]){ "", NULL };
	CHECK_EQ(pid_set_add_listed(&set, -1), 0);
	CHECK_EQ(set.n, 0);
}

TEST(one_that_never_stays_is_not_believed)
{
	struct pid_set set = { 0 };

	n_read = 0;
	never_the_same = true;
	CHECK_EQ(pid_set_add_listed(&set, -1), -EAGAIN);
	CHECK(n_read < 100);
	never_the_same = false;
	pid_set_deinit(&set);
	says = (const char *const[]){ NULL };
	CHECK_EQ(pid_set_add_listed(&set, -1), -ESRCH);
}

TAP_MAIN()
