/*
 * real.h - libc's own functions behind the names that this library exports.
 *
 * Inside the library a plain close() would be our hook again, so everything
 * here goes through `real`. The pointers are looked up in the constructor, and by
 * real_ready() when another library's constructor calls a hook before ours ran.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "hooks.h"

#define REAL_POINTER(type, name, ...) __typeof__(hook_##name) *(name);

struct real {
	HOOKS(REAL_POINTER)
};

extern struct real real;

/* Looks all of them up. Harmless to repeat, also from two threads at once. */
void real_init(void);

static inline void real_ready(void)
{
	if (__builtin_expect(!real.syscall, 0))
		real_init();
}

static inline void errno_restore(const int *saved)
{
	errno = *saved;
}
/* `_keep_errno_ int saved = errno;`: at the end of the block, errno is again what it was. */
#define _keep_errno_ __attribute__((cleanup(errno_restore), unused))

/* The value of a socket option that is an int, or -1. */
static inline int real_int_option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return real.getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

/* What a hook returns that fails. */
static inline int refuse(int error)
{
	errno = error;
	return -1;
}

/* What include/ has for both sides: its calls must not be our hooks again. */
#define close	    real.close
#define connect	    real.connect
#define fcntl	    real.fcntl
#define getpeername real.getpeername
#define getsockname real.getsockname
#define recvmsg	    real.recvmsg
#define sendmsg	    real.sendmsg
#define setsockopt  real.setsockopt
#include "handoff_meet.h"
#include "handoff_take.h"
#undef close
#undef connect
#undef fcntl
#undef getpeername
#undef getsockname
#undef recvmsg
#undef sendmsg
#undef setsockopt

/*
 * Whether all that the app does with its connections goes through our hooks, which moving them
 * takes. False: they must stay, for this time.
 */
bool real_sees_connections(void);

/* What this code is to the broker: a library, or a blob. */
extern enum handoff_backend real_backend;

#define _cleanup_real_fd_ __attribute__((cleanup(handoff_close_fd)))
