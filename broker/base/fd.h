/*
 * fd.h - descriptors whose declaration says that they are closed at the end of their scope.
 */
#pragma once

#include "handoff_rights.h" /* and by it errno.h, string.h, sys/socket.h, unistd.h: for all */

/* Closes *@fd if it is open and leaves -1. Keeps errno: it does not disturb what is returned. */
static inline void fd_closep(int *fd)
{
	handoff_close_fd(fd);
}
#define _cleanup_fd_ __attribute__((cleanup(fd_closep)))

/* Moves ownership out of a variable: returns the descriptor, leaves -1. */
static inline int fd_take(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

/* Reads @size bytes, fewer only at the end of the file. Their number, or -errno. */
static inline ssize_t fd_read(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got = 1;

	while (got != 0 && n < size) {
		got = read(fd, buf + n, size - n);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			n += (size_t)got;
	}
	return (ssize_t)n;
}

/* There is no such file. Of any other error a look at it says nothing. */
static inline bool errno_is_absence(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

/* No descriptor or memory is free, for now: an error of ours, not of the other side. */
static inline bool errno_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
