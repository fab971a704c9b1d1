/*
 * libworker-inetd.so - parks the program into which it is loaded, before main or when it first
 * touches descriptor 0 or 1, so that each connection is served by a fork of it.
 *
 * It is loaded into the program that the service's command runs. What that starts before it is
 * parked may load it, too, but only what is executed in its place is parked. It hooks nothing else:
 * a server behind inetd may listen and connect as it likes.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "park.h"
#include "preload/hooks.h"

/* --- what is told to an interpreter ---------------------------------------------------------- */

/*
 * What a program that is parked at its first read has taken from its process by then,
 * and would be the same in every connection: the environment that an interpreter has copied, and
 * random numbers that are drawn by then. Libc's are left alone: they may be of a fixed seed.
 *
 * Perl and python are told by their own functions for programs that embed them. They read at that
 * moment, where layers and signal handlers written in the language run, too.
 */

#define IMPORT(type, name, ...)                                                                    \
	type (*name)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(RTLD_DEFAULT, #name)

/* Each has a list of names and values, which is one in both languages; empty: it is gone. */
#define PERL                                                                                       \
	"local ($@, $_); srand; my %%v = (%s); for (keys %%v) { next unless exists $ENV{$_};"      \
	"if (length $v{$_}) { $ENV{$_} = $v{$_} } else { delete $ENV{$_} } }"
#define PYTHON                                                                                     \
	"exec(\"\"\"import os, sys\n"                                                              \
	"v = [%s]\n"                                                                               \
	"e = os.environ\n"                                                                         \
	"e.update(x for x in zip(v[::2], v[1::2]) if x[0] in e)\n"                                 \
	"[e.pop(n) for n in v[::2] if not e.get(n, n)]\n"                                          \
	"if 'random' in sys.modules: sys.modules['random'].seed()\n\"\"\", {})"

static void add(char *list, size_t size, const char *name)
{
	const char *value = getenv(name);
	size_t n = strlen(list);

	value = value ? value : "";
	if (!value[strcspn(value, "\'\\")])
		(void)snprintf(list + n, size - n, "'%s','%s',", name, value);
}

/* A perl with threads has it; glibc before 2.34 has it only for programs with threads. */
#pragma weak pthread_getspecific

static void tell_perl(const char *list)
{
	char code[2048];
	const pthread_key_t *key = dlsym(RTLD_DEFAULT, "PL_thr_key");
	IMPORT(void, Perl_push_scope, void *);
	IMPORT(void, Perl_pop_scope, void *);
	IMPORT(void *, Perl_eval_pv, void *, const char *, int);
	void *perl = key && Perl_push_scope && Perl_pop_scope && Perl_eval_pv
			     ? pthread_getspecific(*key)
			     : NULL;

	if (!perl)
		return;
	(void)snprintf(code, sizeof(code), PERL, list);
	Perl_push_scope(perl); /* eval leaves the current operation changed: perlcall(1) */
	(void)Perl_eval_pv(perl, code, 0);
	Perl_pop_scope(perl);
}

static void tell_python(const char *list)
{
	char code[2048];
	IMPORT(int, Py_IsInitialized, void);
	IMPORT(int, PyGILState_Ensure, void);
	IMPORT(void, PyGILState_Release, int);
	IMPORT(int, PyRun_SimpleStringFlags, const char *, void *);
	int state;

	if (!Py_IsInitialized || !PyGILState_Ensure || !PyGILState_Release ||
	    !PyRun_SimpleStringFlags || !Py_IsInitialized())
		return;
	(void)snprintf(code, sizeof(code), PYTHON, list);
	state = PyGILState_Ensure();
	(void)PyRun_SimpleStringFlags(code, NULL);
	PyGILState_Release(state);
}

/* In a process that has a connection, before the program goes on. */
static void refresh(void)
{
	char list[1024] = "";

	for (size_t i = 0; variables_name(i); i++)
		add(list, sizeof(list), variables_name(i));
	add(list, sizeof(list), "LD_PRELOAD");
	add(list, sizeof(list), PARK_VARIABLE);
	tell_perl(list);
	tell_python(list);
}

/* --- parked ------------------------------------------------------------------------------ */

static struct park parked;
static pid_t waits;	   /* this process, for the first read; 0: it does not */
static char own[PATH_MAX]; /* of this library */

/* Of LD_PRELOAD this library alone is removed, so that others stay. */
static void leave_environment(void)
{
	char *list = getenv("LD_PRELOAD"), *at = list ? strstr(list, own) : NULL;
	const char *bind = getenv("LD_BIND_NOW");
	size_t len = strlen(own);

	(void)unsetenv(PARK_VARIABLE);
	if (bind && !strcmp(bind, PARK_BIND_NOW))
		(void)unsetenv("LD_BIND_NOW");
	if (!at)
		return;
	if (at[len] == ':')
		len++;
	memmove(at, at + len, strlen(at + len) + 1);
	if (!*list)
		(void)unsetenv("LD_PRELOAD");
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
	struct stat threads;

	leave_environment();
	if (stat("/proc/self/task", &threads) == 0 && threads.st_nlink > 3) /* with . and .. */
		execute_each();
	if (!park(&parked)) {
		dprintf(STDERR_FILENO, "the program cannot be parked: %s\n", strerror(errno));
		_exit(126);
	}
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv(PARK_VARIABLE);
	int own_stderr, pid;
	char when[16];

	if (!text || sscanf(text, PARK_FORMAT, when, &pid, &parked.rx, &parked.page,
			    &parked.rendezvous, &parked.pool, &own_stderr, own) != 8)
		return;
	parked.own_stderr = own_stderr;
	if (pid != getpid())
		leave_environment();
	else if (!strcmp(when, "first-read"))
		waits = pid; /* or what it executes in its place, as env(1) does */
	else
		park_here();
}

/* The program wants to talk, not a fork of it: what it needs now is a connection. */
static void touch(int fd)
{
	if (waits && (fd == STDIN_FILENO || fd == STDOUT_FILENO) && waits == getpid()) {
		waits = 0;
		park_here();
		refresh();
	}
}

/* It ends without having wanted a connection, as far as can be seen: then it does so each time. */
__attribute__((destructor)) static void end(void)
{
	if (waits && waits == getpid())
		dprintf(STDERR_FILENO,
			"the program has ended before it has read descriptor 0 by a call "
			"that is seen: it needs park = main\n");
}

/* libc's own, for the hook of that name. */
#define REAL(name)                                                                                 \
	static __typeof__(&hook_##name) real;                                                      \
	real = real ? real : (__typeof__(real))dlsym(RTLD_NEXT, #name)

#define HOOKED(type, name, parameters, before, ...)                                                \
	HOOK(type, name, parameters)                                                               \
	type hook_##name parameters                                                                \
	{                                                                                          \
		REAL(name);                                                                        \
		before;                                                                            \
		return real(__VA_ARGS__);                                                          \
	}

#define TOUCHING(type, name, parameters, ...) HOOKED(type, name, parameters, touch(fd), __VA_ARGS__)

/* As python before 3.10 tries what it has been given, when it could not be told anything yet. */
static void touch_copied(int fd)
{
	IMPORT(int, Py_IsInitialized, void);

	if (!Py_IsInitialized || Py_IsInitialized())
		touch(fd);
}

HOOKS_ANSWERED(TOUCHING)
HOOKED(int, dup, (int fd), touch_copied(fd), fd)
TOUCHING(int, epoll_ctl, (int epfd, int op, int fd, struct epoll_event *e), epfd, op, fd, e)
TOUCHING(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len), fd, addr, len)
TOUCHING(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), fd, addr, len)
TOUCHING(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), fd, level,
	 name, value, len)
TOUCHING(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), fd, msg, flags)
TOUCHING(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), fd, msg, flags)
TOUCHING(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len), fd,
	 level, name, value, len)
TOUCHING(int, shutdown, (int fd, int how), fd, how)

/* As python copies a descriptor. What else it does is asked of any descriptor at the start. */
#define COPYING(name)                                                                              \
	int hook_##name(int fd, int cmd, ...)                                                      \
	{                                                                                          \
		va_list ap;                                                                        \
		void *arg;                                                                         \
		REAL(name);                                                                        \
		va_start(ap, cmd);                                                                 \
		arg = va_arg(ap, void *);                                                          \
		va_end(ap);                                                                        \
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)                                      \
			touch(fd);                                                                 \
		return real(fd, cmd, arg);                                                         \
	}

COPYING(fcntl)
COPYING(fcntl64)

static void touch_polled(const struct pollfd *fds, nfds_t n)
{
	for (nfds_t i = 0; waits && i < n; i++)
		touch(fds[i].fd);
}

HOOKED(int, poll, (struct pollfd * fds, nfds_t n, int ms), touch_polled(fds, n), fds, n, ms)
HOOKED(int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *t, const sigset_t *mask),
       touch_polled(fds, n), fds, n, t, mask)

static void touch_selected(const fd_set *r, const fd_set *w)
{
	if ((r && FD_ISSET(STDIN_FILENO, r)) || (w && FD_ISSET(STDOUT_FILENO, w)))
		touch(STDIN_FILENO);
}

HOOKED(int, select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t),
       touch_selected(r, w), n, r, w, e, t)
HOOKED(int, pselect,
       (int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *t, const sigset_t *m),
       touch_selected(r, w), n, r, w, e, t, m)
