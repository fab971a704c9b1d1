/*
 * libworker-inetd.so - parks the program into which it is loaded, before main or when it first
 * touches descriptor 0 or 1, so that each connection is served by a fork of it.
 *
 * It is loaded into the program that the service's command runs, and into nothing that this starts.
 * It hooks nothing else: a server behind inetd may listen and connect as it likes.
 */
#include "park.h"
#include "shared.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct park parked;
static bool waits; /* for the first read */

/* What is to be removed from LD_PRELOAD: this library alone, so that others stay. */
static void leave_preload(const char *own)
{
	char *list = getenv("LD_PRELOAD"), *at = list ? strstr(list, own) : NULL;
	size_t len = strlen(own);

	if (!at)
		return;
	if (at[len] == ':')
		len++;
	memmove(at, at + len, strlen(at + len) + 1);
	if (!*list)
		(void)unsetenv("LD_PRELOAD");
}

static bool has_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned n = 0;

	while (tasks && readdir(tasks))
		n++;
	if (tasks)
		(void)closedir(tasks);
	return n > 3; /* with . and .. */
}

/* The arguments that this process was executed with. NULL: no memory, or no /proc. */
static char **arguments(void)
{
	static char text[128 << 10];
	FILE *f = fopen("/proc/self/cmdline", "re");
	size_t len = f ? fread(text, 1, sizeof(text) - 1, f) : 0, n = 0;
	char **argv = calloc(len + 1, sizeof(*argv));

	if (f)
		(void)fclose(f);
	for (char *at = text; argv && at < text + len; at += strlen(at) + 1)
		argv[n++] = at;
	return n ? argv : NULL;
}

/* Threads do not come along in a fork: the program is executed for each connection instead. */
static void execute_each(void)
{
	char **argv = arguments(), path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0 || !argv)
		_exit(126);
	path[n] = '\0';
	dprintf(STDERR_FILENO,
		"%s has threads before it begins, so it is executed for each connection (park = "
		"exec)\n",
		path);
	if (park(&parked))
		(void)execve(path, argv, environ);
	_exit(126);
}

static void park_here(void)
{
	if (has_threads())
		execute_each();
	if (!park(&parked)) {
		dprintf(STDERR_FILENO, "the program cannot be parked: %s\n", strerror(errno));
		_exit(126);
	}
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv(PARK_VARIABLE);
	char own[PATH_MAX], when[16];
	int own_stderr;

	if (!text || sscanf(text, PARK_FORMAT, when, &parked.rx, &parked.page, &parked.rendezvous,
			    &parked.pool, &own_stderr, own) != 7)
		return;
	parked.own_stderr = own_stderr;
	(void)unsetenv(PARK_VARIABLE);
	leave_preload(own);
	waits = !strcmp(when, "first-read");
	if (!waits)
		park_here();
}

/* The program wants to talk: now it is ready, and a connection is what it needs. */
static void touch(int fd)
{
	if (waits && (fd == STDIN_FILENO || fd == STDOUT_FILENO)) {
		waits = false;
		park_here();
	}
}

#define HOOK(type, name, params, args)                                                             \
	__attribute__((visibility("default"))) type name params                                    \
	{                                                                                          \
		static type(*real) params;                                                         \
		touch(fd);                                                                         \
		if (!real)                                                                         \
			real = (type(*) params)dlsym(RTLD_NEXT, #name);                            \
		return real args;                                                                  \
	}

HOOK(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
HOOK(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
HOOK(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))
HOOK(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
HOOK(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
HOOK(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
HOOK(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
HOOK(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
