#include "nofile.h"

#include <limits.h>
#include <sys/resource.h>

struct nofile nofile;

void nofile_refresh(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	atomic_store(&nofile.near_from,
		     limit.rlim_cur > INT_MAX ? INT_MAX : (int)(limit.rlim_cur / 2));
}
