#include "self.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sys/proc.h"

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static uint64_t rss_bytes(void)
{
	struct proc_usage usage;

	return proc_usage(getpid(), &usage) < 0 ? 0 : usage.rss_bytes;
}

static uint64_t count_fds(void)
{
	struct stat st;
	uint64_t n = 0;
	DIR *dir;

	/* Since Linux 6.2 the size of the directory is their number: no need to look at each. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	dir = opendir("/proc/self/fd");
	if (!dir)
		return 0;
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n - 1; /* without the one that we looked with */
}

static uint64_t max_fds(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : (uint64_t)limit.rlim_cur;
}

void self_usage(struct self_usage *ret)
{
	*ret = (struct self_usage){ .cpu_ns = cpu_ns(),
				    .rss_bytes = rss_bytes(),
				    .open_fds = count_fds(),
				    .max_fds = max_fds() };
}
