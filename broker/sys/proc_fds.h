/*
 * proc_fds - the sockets of a process, at once or in parts, and a copy of one of them.
 */
#pragma once

#include <dirent.h>
#include <sys/types.h>
#include "base/util.h"

static inline void dir_closep(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}
#define _cleanup_dir_ __attribute__((cleanup(dir_closep)))

/*
 * The caller's, to be closed with closedir(3). NULL with errno ENOENT: no such process. EACCES: not
 * ours to read. EMFILE, ...
 */
DIR *proc_fds_open(pid_t pid);

/*
 * 1: the next descriptor that is a socket, and its inode. 0: there is none. -EACCES: its
 * descriptors may be listed, but not looked at: without CAP_SYS_PTRACE root is in that place.
 */
int proc_fds_next(DIR *dir, int *ret_fd, uint64_t *ret_inode);

/*
 * Calls @seen for each open socket of @pid until it returns false. 0, or -errno of the two above.
 */
int proc_sockets(pid_t pid, bool (*seen)(void *arg, uint64_t inode), void *arg);

/*
 * Copies descriptor @fd of the process of @pidfd, if it is still the socket @inode. 0: *@ret_fd is
 * the caller's, close-on-exec. -EBADF, -ESRCH: not any more. -EPERM: not allowed to, as for
 * ptrace(2): another user, a security module. -ENOSYS: a kernel before 5.6, or seccomp. Else
 * -errno.
 */
int proc_fds_copy(int pidfd, int fd, uint64_t inode, int *ret_fd);
