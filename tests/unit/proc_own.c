/* links: broker/sys/proc broker/sys/dir */
/* links: broker/sys/pid_set */
#include "sys/proc.h"
#include "tap.h"

#include <fcntl.h>
#include <unistd.h>

TEST(descriptors_are_counted_one_by_one)
{
	uint64_t before = proc_count_own_fds();
	int fds[3];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(proc_count_own_fds(), before + ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	CHECK_EQ(proc_count_own_fds(), before);
}

TEST(work_and_memory_show)
{
	const size_t size = 32 << 20;
	struct proc_stat before = proc_stat(getpid()), after;
	char *memory = malloc(size);

	CHECK(memory);
	/* Until it shows: the kernel counts time in ticks. */
	do {
		for (size_t i = 0; i < size; i += 1024)
			((volatile char *)memory)[i] = 1;
		after = proc_stat(getpid());
	} while (after.cpu_ms <= before.cpu_ms);
	CHECK(after.rss_bytes >= before.rss_bytes + size / 2);
	free(memory);
}

TAP_MAIN()
