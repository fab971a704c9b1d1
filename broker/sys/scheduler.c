#include "scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"

static bool is_batch; /* by us */

/* musl has the functions, but they only fail: sched_setscheduler(3) is of threads, POSIX says. */

int scheduler_set_batch(bool batch)
{
	static const struct sched_param none;

	if (batch == is_batch)
		return 0;
	if (batch && syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER)
		return -EPERM;
	if (syscall(SYS_sched_setscheduler, 0, batch ? SCHED_BATCH : SCHED_OTHER, &none) < 0)
		return -errno;
	is_batch = batch;
	return 0;
}

void scheduler_reset(void)
{
	(void)scheduler_set_batch(false);
}

bool scheduler_read_delay(uint64_t *ret_runs, uint64_t *ret_delay_ns)
{
	_cleanup_fd_ int fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return sscanf(text, "%*u %" SCNu64 " %" SCNu64, ret_delay_ns, ret_runs) == 2;
}
