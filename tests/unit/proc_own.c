/* links: broker/sys/proc */
#include "sys/proc.h"
#include "tap.h"

#include <fcntl.h>
#include <unistd.h>

TEST(descriptors_are_counted_one_by_one)
{
	struct proc_own_usage before, after;
	int fds[3];

	proc_own_usage(&before);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	proc_own_usage(&after);
	CHECK_EQ(after.open_fds, before.open_fds + ARRAY_SIZE(fds));
	CHECK_EQ(after.max_fds, sysconf(_SC_OPEN_MAX));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

TEST(work_and_memory_show)
{
	const size_t size = 32 << 20;
	struct proc_own_usage before, after;
	char *memory;

	proc_own_usage(&before);
	memory = malloc(size);
	CHECK(memory);
	/* Until it shows: the kernel counts time in ticks. */
	do {
		for (size_t i = 0; i < size; i += 1024)
			((volatile char *)memory)[i] = 1;
		proc_own_usage(&after);
	} while (after.cpu_ns <= before.cpu_ns);
	CHECK(after.rss_bytes >= before.rss_bytes + size / 2);
	free(memory);
}

TAP_MAIN()
