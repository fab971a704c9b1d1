/* links: broker/sys/twin */
#include "sys/twin.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "tap.h"

/* @n bytes, all of the value that @n has modulo 251. */
static void fill(unsigned char *bytes, size_t n)
{
	memset(bytes, (int)(n % 251), n);
}

static bool is_whole(const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != n % 251)
			return false;
	return true;
}

static int twin_write(struct twin *t, const void *bytes, size_t len)
{
	char *room;
	size_t size;
	int r = twin_begin(t, len, &room, &size);

	if (r < 0 || size < len)
		return r < 0 ? r : -ENOSPC;
	memcpy(room, bytes, len);
	twin_end(t, len);
	return 0;
}

TEST(what_was_written_last_and_before_is_read)
{
	struct twin t, other;
	void *got;
	size_t len;

	CHECK_EQ(twin_make(&t), 0);
	CHECK_EQ(twin_read(&t, false, &got, &len), -ENODATA);
	CHECK_EQ(twin_write(&t, "one", 3), 0);
	CHECK_EQ(twin_read(&t, true, &got, &len), -ENODATA);
	CHECK_EQ(twin_write(&t, "three", 5), 0);
	CHECK_EQ(twin_write(&t, "two", 3), 0);
	/* By another process, which has the descriptors alone. */
	CHECK_EQ(twin_adopt(&other, t.fds), 0);
	CHECK_EQ(other.number, 3);
	CHECK_EQ(twin_read(&other, false, &got, &len), 0);
	CHECK(len == 3 && !memcmp(got, "two", 3));
	free(got);
	CHECK_EQ(twin_read(&other, true, &got, &len), 0);
	CHECK(len == 5 && !memcmp(got, "three", 5));
	free(got);
	twin_close(&t);
	CHECK_EQ(t.fds[0], -1);
}

TEST(files_without_bytes_are_refused)
{
	struct twin t, other;

	CHECK_EQ(twin_make(&t), 0);
	CHECK_EQ(twin_adopt(&other, t.fds), -ENODATA);
	twin_close(&t);
}

static _Atomic unsigned *n_written; /* shared with the writer */

/* Writes on and on, of each size another value, until it is killed. */
static void write_on(struct twin *t)
{
	static unsigned char bytes[1 << 18];

	for (size_t n = 1;; n = n * 7 % sizeof(bytes) + 1) {
		fill(bytes, n);
		if (twin_write(t, bytes, n) < 0)
			_exit(1);
		(*n_written)++;
	}
}

TEST(a_writer_that_is_killed_leaves_bytes_that_are_whole)
{
	n_written = mmap(NULL, sizeof(*n_written), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(n_written != MAP_FAILED);
	for (int i = 0; i < 100; i++) {
		struct twin t, left;
		void *got;
		size_t len;
		pid_t pid;

		CHECK_EQ(twin_make(&t), 0);
		CHECK_EQ(twin_write(&t, "\1", 1), 0);
		*n_written = 0;
		pid = fork();
		if (pid == 0)
			write_on(&t);
		if (pid <= 1)
			abort();
		/* In the middle of the next one, somewhere. */
		while (*n_written < (unsigned)i % 17)
			(void)sched_yield();
		(void)kill(pid, SIGKILL);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
		CHECK_EQ(twin_adopt(&left, t.fds), 0);
		CHECK_EQ(twin_read(&left, false, &got, &len), 0);
		CHECK(is_whole(got, len));
		/* Its successor writes on. */
		CHECK_EQ(twin_write(&left, "\2\2", 2), 0);
		free(got);
		CHECK_EQ(twin_read(&left, false, &got, &len), 0);
		CHECK_EQ(len, 2);
		free(got);
		twin_close(&t);
	}
}

TAP_MAIN()
