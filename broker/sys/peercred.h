/*
 * peercred - the process at the other end of a Unix stream socket, as the kernel says it.
 */
#pragma once

#include <sys/types.h>
#include "base/util.h"

struct peercred {
	pid_t pid; /* > 1: the process that connected */
	uid_t uid;
	int pidfd; /* the caller's, close-on-exec; readable once the process has ended */
};

/*
 * Fills *@ret for the peer of @sock. The number of a process that has ended may be another's by
 * now: so the pidfd is the kernel's own (SO_PEERPIDFD, Linux 6.5), or was opened while the peer was
 * seen connected, which a process that has ended is not. 0; -ESRCH: it has ended, or is in a pid
 * namespace that we do not see; -errno.
 */
int peercred_get(int sock, struct peercred *ret);
