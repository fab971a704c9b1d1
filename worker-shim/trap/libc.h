/*
 * libc.h - what the blob has in the place of libc: libc.c and real.c define under libc's own names
 * what the preload library calls. Nothing is allocated.
 */
#pragma once

#include <errno.h>
#include <sys/syscall.h>
#include "arch.h"

/* A system call, with its arguments as a list; what is missing is 0. -errno. */
#define RAW(name, ...) arch_call(SYS_##name, (const long[6]){ __VA_ARGS__ })

/* -1 and errno, as libc has it. */
static inline long libc_result(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

#define CALL(name, ...) libc_result(RAW(name, __VA_ARGS__))

/* Of the program, as execve(2) has put it on the stack. */
extern char **environ;
