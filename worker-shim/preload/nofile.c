#include "nofile.h"

#include "real.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

struct nofile nofile;

void nofile_refresh(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur > INT_MAX)
		limit.rlim_cur = INT_MAX;
	atomic_store(&nofile.near_from, (int)(limit.rlim_cur / 2));
	atomic_store(&nofile.highest, (int)limit.rlim_cur - 1);
}

static bool is_free(int fd)
{
	_keep_errno_ int saved = errno;

	return real.fcntl(fd, F_GETFD) < 0;
}

void nofile_look(int fd)
{
	nofile_refresh();
	atomic_store(&nofile.near,
		     fd >= nofile.near_from || (nofile.near && !(is_free(nofile.near_from) &&
								 is_free(nofile.highest))));
}
