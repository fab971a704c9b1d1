#include "libc.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char **environ;

/*
 * Each thread needs its own, and thread-local memory is the program's. So it is on the stack, at
 * the end of the chain of frames that begins where the kernel or the launcher has entered (arch.h).
 */
int *__errno_location(void)
{
	void **frame = __builtin_frame_address(0);

	while (frame[0])
		frame = frame[0];
	return (int *)&frame[1];
}

/* --- system calls ------------------------------------------------------------------------ */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)CALL(clock_gettime, clock, (long)ts);
}

int fstat(int fd, struct stat *st)
{
	return (int)CALL(fstat, fd, (long)st);
}

int fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return (int)CALL(newfstatat, dir, (long)path, (long)st, flags);
}

int stat(const char *path, struct stat *st)
{
	return fstatat(AT_FDCWD, path, st, 0);
}

#ifdef _STAT_VER /* glibc before 2.33: its header makes these of them */
int __fxstat(int version, int fd, struct stat *st)
{
	(void)version;
	return (int)CALL(fstat, fd, (long)st);
}

int __fxstatat(int version, int dir, const char *path, struct stat *st, int flags)
{
	(void)version;
	return (int)CALL(newfstatat, dir, (long)path, (long)st, flags);
}

int __xstat(int version, const char *path, struct stat *st)
{
	return __fxstatat(version, AT_FDCWD, path, st, 0);
}
#endif

pid_t getpgrp(void)
{
	return (pid_t)RAW(getpgid, 0);
}

pid_t getpid(void)
{
	return (pid_t)RAW(getpid, 0);
}

pid_t getppid(void)
{
	return (pid_t)RAW(getppid, 0);
}

/* Libcs differ in the type of its argument. */
int libc_getrlimit(int resource, struct rlimit *ret) __asm__("getrlimit");
int libc_getrlimit(int resource, struct rlimit *ret)
{
	return (int)libc_result(
		arch_call(SYS_prlimit64, (const long[6]){ 0, resource, 0, (long)ret }));
}

off_t lseek(int fd, off_t offset, int whence)
{
	return CALL(lseek, fd, offset, whence);
}

int madvise(void *at, size_t n, int advice)
{
	return (int)CALL(madvise, (long)at, (long)n, advice);
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	return (void *)CALL(mmap, (long)at, (long)n, protection, flags, fd, offset);
}

int open(const char *path, int flags, ...)
{
	return (int)CALL(openat, AT_FDCWD, (long)path, flags);
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec ts = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return (int)CALL(ppoll, (long)fds, (long)n, timeout_ms < 0 ? 0 : (long)&ts);
}

ssize_t readlink(const char *path, char *buf, size_t n)
{
	return CALL(readlinkat, AT_FDCWD, (long)path, (long)buf, (long)n);
}

int sched_yield(void)
{
	return (int)CALL(sched_yield, 0);
}

int socket(int domain, int type, int protocol)
{
	return (int)CALL(socket, domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int pair[2])
{
	return (int)CALL(socketpair, domain, type, protocol, (long)pair);
}

/* --- of the program ---------------------------------------------------------------------- */

char *getenv(const char *name)
{
	size_t n = strlen(name);

	for (char **e = environ; *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

/* What a wrapper was started with is the wrapper's: a program without libc has none (shim.c). */
int setenv(const char *name, const char *value, int overwrite)
{
	(void)name;
	(void)value;
	(void)overwrite;
	return -1;
}

/* There is nothing to be told of a fork: see table.c. */
void *dlsym(void *library, const char *name)
{
	(void)library;
	(void)name;
	return NULL;
}

/* --- byte order: functions in some libcs ------------------------------------------------ */

#undef htons
#undef ntohs
#undef htonl
#undef ntohl

uint16_t htons(uint16_t n)
{
	return __builtin_bswap16(n);
}

uint16_t ntohs(uint16_t n)
{
	return __builtin_bswap16(n);
}

uint32_t htonl(uint32_t n)
{
	return __builtin_bswap32(n);
}

uint32_t ntohl(uint32_t n)
{
	return __builtin_bswap32(n);
}

/* --- strings ------------------------------------------------------------------------------- */

/* The compiler knows what such a loop does, and would call the function that it is in. */
#define KEEP_LOOP __asm__ volatile("")

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		((char *)to)[i] = ((const char *)from)[i];
		KEEP_LOOP;
	}
	return to;
}

void *memset(void *at, int c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		((char *)at)[i] = (char)c;
		KEEP_LOOP;
	}
	return at;
}

int memcmp(const void *one, const void *other, size_t n)
{
	const unsigned char *a = one, *b = other;

	for (; n && *a == *b; n--, a++, b++)
		continue;
	return n ? *a - *b : 0;
}

/* What clang makes of a memcmp() whose sign does not matter. */
int bcmp(const void *one, const void *other, size_t n)
{
	return memcmp(one, other, n);
}

void *memchr(const void *in, int c, size_t n)
{
	const unsigned char *p = in;

	for (; n; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)(uintptr_t)p;
	return NULL;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n]) {
		n++;
		KEEP_LOOP;
	}
	return n;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

char *stpcpy(char *restrict to, const char *restrict from)
{
	size_t n = strlen(from);

	return (char *)memcpy(to, from, n + 1) + n;
}

char *strcpy(char *restrict to, const char *restrict from)
{
	return memcpy(to, from, strlen(from) + 1);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--, a++, b++)
		continue;
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	return memchr(s, c, strlen(s) + 1);
}

char *strrchr(const char *s, int c)
{
	for (size_t n = strlen(s) + 1; n; n--)
		if (s[n - 1] == (char)c)
			return (char *)(uintptr_t)s + n - 1;
	return NULL;
}

char *strstr(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (; *s; s++)
		if (!strncmp(s, part, n))
			return (char *)(uintptr_t)s;
	return NULL;
}

size_t strspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && strchr(set, s[n]))
		n++;
	return n;
}

size_t strcspn(const char *s, const char *set)
{
	size_t n = 0;

	while (s[n] && !strchr(set, s[n]))
		n++;
	return n;
}
