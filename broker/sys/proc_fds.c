#include "proc_fds.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "base/fd.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

DIR *proc_fds_open(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	return opendir(path);
}

int proc_fds_next(DIR *dir, int *ret_fd, uint64_t *ret_inode)
{
	unsigned long long inode;
	struct dirent *e;

	while ((e = readdir(dir))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n < 0 && errno == EACCES)
			return -EACCES;
		if (n <= 0)
			continue; /* no descriptor, or closed meanwhile */
		target[n] = '\0';
		if (sscanf(target, "socket:[%llu]", &inode) != 1)
			continue;
		*ret_fd = atoi(e->d_name);
		*ret_inode = inode;
		return 1;
	}
	return 0;
}

int proc_sockets(pid_t pid, bool (*seen)(void *arg, uint64_t inode), void *arg)
{
	uint64_t inode;
	_cleanup_dir_ DIR *dir = proc_fds_open(pid);
	int fd, r;

	if (!dir)
		return -errno;
	do
		r = proc_fds_next(dir, &fd, &inode);
	while (r > 0 && seen(arg, inode));
	return r < 0 ? r : 0;
}

int proc_fds_copy(int pidfd, int fd, uint64_t inode, int *ret_fd)
{
	_cleanup_fd_ int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	struct stat st;

	if (copy < 0 || fstat(copy, &st) < 0)
		return -errno;
	if (st.st_ino != inode)
		return -EBADF;
	*ret_fd = fd_take(&copy);
	return 0;
}
