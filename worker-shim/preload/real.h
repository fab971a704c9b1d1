/*
 * real.h - libc's own functions behind the names that this library exports.
 *
 * Inside the library a plain close() would be our hook again, so everything
 * here goes through `real`. The pointers are looked up in the constructor, and by
 * real_ready() when another library's constructor calls a hook before ours ran.
 */
#pragma once

#include <errno.h>
#include <sys/socket.h>

struct epoll_event;

struct real {
	int (*accept)(int, struct sockaddr *, socklen_t *);
	int (*accept4)(int, struct sockaddr *, socklen_t *, int);
	int (*bind)(int, const struct sockaddr *, socklen_t);
	int (*close)(int);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*dup)(int);
	int (*dup2)(int, int);
	int (*dup3)(int, int, int);
	int (*epoll_ctl)(int, int, int, struct epoll_event *);
	int (*fcntl)(int, int, ...);
	int (*getpeername)(int, struct sockaddr *, socklen_t *);
	int (*getsockname)(int, struct sockaddr *, socklen_t *);
	int (*getsockopt)(int, int, int, void *, socklen_t *);
	int (*listen)(int, int);
	int (*setsockopt)(int, int, int, const void *, socklen_t);
	int (*shutdown)(int, int);
	long (*syscall)(long, ...);
};

extern struct real real;

/* Looks all of them up. Harmless to repeat, also from two threads at once. */
void real_init(void);

static inline void real_ready(void)
{
	if (__builtin_expect(!real.syscall, 0)) /* real_init() sets this one last */
		real_init();
}

/* Closes *@fd if it is open and leaves -1. Keeps errno. */
static inline void real_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)real.close(*fd);
	*fd = -1;
	errno = saved;
}
#define _cleanup_real_fd_ __attribute__((cleanup(real_closep)))

static inline int real_fd_take(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}
