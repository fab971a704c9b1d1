/*
 * pid_set - pids, each once, and the lists of them that the kernel writes.
 */
#pragma once

#include <sys/types.h>
#include "base/util.h"

struct pid_set {
	pid_t *pids;
	size_t n;
};

void pid_set_deinit(struct pid_set *set);
#define _cleanup_pids_ __attribute__((cleanup(pid_set_deinit)))
int pid_set_add(struct pid_set *set, pid_t pid);     /* 0 or -ENOMEM */
void pid_set_remove(struct pid_set *set, pid_t pid); /* not in it: nothing happens */
bool pid_set_has(const struct pid_set *set, pid_t pid);

/*
 * Adds the children that /proc/PID/task/TID/children behind @fd lists. 0 or -errno; -EAGAIN: so
 * many of them are reaped just now that some may be missing.
 */
int pid_set_add_listed(struct pid_set *set, int fd);
