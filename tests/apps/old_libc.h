/*
 * old_libc.h - what a libc may lack that the test programs call. Of the functions the preload
 * library has its own.
 */
#pragma once

#include <errno.h>

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
#define CLOSE_RANGE_UNSHARE 2
#pragma weak close_range
int close_range(unsigned first, unsigned last, int flags);
#pragma weak closefrom
void closefrom(int first);
#pragma weak execveat
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
#endif

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 32)
/* Of those that a test may see. */
static inline const char *strerrorname_np(int error)
{
#define NAME(name)                                                                                 \
	case name:                                                                                 \
		return #name;
	/* clang-format off */
	switch (error) {
	NAME(EADDRINUSE) NAME(EADDRNOTAVAIL) NAME(EAFNOSUPPORT) NAME(EAGAIN) NAME(EBADF)
	NAME(EDESTADDRREQ) NAME(EEXIST) NAME(EFAULT) NAME(EINTR) NAME(EINVAL) NAME(EISCONN)
	NAME(EMFILE) NAME(ENOENT) NAME(ENOPROTOOPT) NAME(ENOSYS) NAME(ENOTCONN) NAME(EOPNOTSUPP)
	NAME(EPERM) NAME(EPIPE)
	}
	/* clang-format on */
	return "?";
}
#endif
