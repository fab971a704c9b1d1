#include "pid_set.h"

#include <errno.h>
#include <unistd.h>
#include "base/hash.h"

void pid_set_deinit(struct pid_set *set)
{
	free(set->pids);
	*set = (struct pid_set){ 0 };
}

void pid_set_remove(struct pid_set *set, pid_t pid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pids[i] == pid)
			set->pids[i--] = set->pids[--set->n];
}

bool pid_set_has(const struct pid_set *set, pid_t pid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pids[i] == pid)
			return true;
	return false;
}

int pid_set_add(struct pid_set *set, pid_t pid)
{
	if (pid_set_has(set, pid))
		return 0;
	if (!array_grow(set->pids, set->n))
		return -ENOMEM;
	set->pids[set->n++] = pid;
	return 0;
}

/* What the list behind @fd says from its start on; into @ret, if that is not NULL. 0 or -errno. */
static int read_list(int fd, struct pid_set *ret, uint32_t *ret_hash)
{
	char part[4096];
	ssize_t n;
	off_t at = 0;
	pid_t pid = 0;
	int r = 0;

	*ret_hash = HASH_BEGIN;
	/* A space follows each. */
	for (; r == 0 && (n = pread(fd, part, sizeof(part), at)) > 0; at += n) {
		*ret_hash = hash_add(*ret_hash, part, (size_t)n);
		for (ssize_t i = 0; ret && i < n && r == 0; i++) {
			bool digit = part[i] >= '0' && part[i] <= '9';

			if (!digit && pid > 1)
				r = pid_set_add(ret, pid);
			pid = digit ? 10 * pid + part[i] - '0' : 0;
		}
	}
	return r < 0 ? r : n < 0 ? -errno : 0;
}

#define LIST_TRIES 8

/*
 * The kernel leaves some out if others, which it has written already, are reaped meanwhile: see
 * proc(5). Those are not there when it is read once more.
 */
int pid_set_add_listed(struct pid_set *set, int fd)
{
	for (unsigned i = 0; i < LIST_TRIES; i++) {
		uint32_t was, is;
		int r = read_list(fd, set, &was);

		if (r < 0 || was == HASH_BEGIN)
			return r;
		r = read_list(fd, NULL, &is);
		if (r < 0 || is == was)
			return r;
	}
	return -EAGAIN;
}
