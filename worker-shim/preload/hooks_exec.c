/*
 * hooks_exec.c - programs that this process executes have the library, too: see environ.h. They may
 * be in a vfork child, so everything is on the stack.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "adopt.h"
#include "environ.h"
#include "hooks.h"
#include "launched.h"
#include "real.h"

/*
 * What comes before exec: *@envp gets what is missing, on the stack of the function that uses this.
 * The size is bounded, and mostly that of a small table, or 0.
 */
#define COMPLETE(envp)                                                                             \
	do {                                                                                       \
		size_t room;                                                                       \
                                                                                                   \
		real_ready();                                                                      \
		adopt_settle_all();                                                                \
		room = environ_room(&environ_kept, *(envp));                                       \
		if (room)                                                                          \
			*(envp) = environ_restore(&environ_kept, *(envp), __builtin_alloca(room)); \
	} while (0)

/* The file that libc will find in PATH; "": none. */
static const char *find(const char *file, char ret[PATH_MAX])
{
	const char *path = getenv("PATH"), *end;
	size_t n = strlen(file);

	if (strchr(file, '/'))
		return file;
	for (path = path ? path : "/bin:/usr/bin"; path; path = *end ? end + 1 : NULL) {
		end = strchrnul(path, ':');
		if ((size_t)(end - path) + n + 2 > PATH_MAX)
			continue;
		strcpy(stpcpy(mempcpy(ret, path, (size_t)(end - path)), end > path ? "/" : "./"),
		       file);
		if (access(ret, X_OK) == 0)
			return ret;
	}
	return "";
}

/* A hook that is libc's function with another environment, and perhaps with the launcher before. */
#define STARTED(type, name, parameters, path, ...)                                                 \
	type hook_##name parameters                                                                \
	{                                                                                          \
		const char *const program = file, *found, *option;                                 \
		char *const *const words = argv;                                                   \
                                                                                                   \
		COMPLETE(&envp);                                                                   \
		found = path;                                                                      \
		option = launched_option(found, argv, envp);                                       \
		if (option) {                                                                      \
			argv = launched_words(option, found, argv,                                 \
					      __builtin_alloca(launched_room(argv)));              \
			file = environ_kept.launcher;                                              \
			if (real.name(__VA_ARGS__) == 0)                                           \
				return 0;                                                          \
			/* It is not there, in a root directory of the program's own choice. */    \
			file = program;                                                            \
			argv = words;                                                              \
		}                                                                                  \
		return real.name(__VA_ARGS__);                                                     \
	}
#define STARTING(type, name, parameters, ...) STARTED(type, name, parameters, file, __VA_ARGS__)
#define SEARCHING(type, name, parameters, ...)                                                     \
	STARTED(type, name, parameters, find(file, __builtin_alloca(PATH_MAX)), __VA_ARGS__)

HOOKS_STARTING(STARTING)
HOOKS_SEARCHING(SEARCHING)

int hook_fexecve(int fd, char *const argv[], char *const envp[])
{
	COMPLETE(&envp);
	return real.fexecve(fd, argv, envp);
}

int hook_execv(const char *path, char *const argv[])
{
	return hook_execve(path, argv, environ);
}

int hook_execvp(const char *file, char *const argv[])
{
	return hook_execvpe(file, argv, environ);
}

/* Older libcs have no function for it. */
int hook_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	COMPLETE(&envp);
	return (int)real.syscall(SYS_execveat, dir, path, argv, envp, flags);
}

/* --- arguments one by one -------------------------------------------------------------- */

/* More than any call in a source file has. Small, as the stack may be that of a signal handler. */
#define ARGUMENTS_MAX 256

/* Hands @first and what follows to @start, with the environment behind it or this process's. */
static int start_listed(int (*start)(const char *, char *const[], char *const[]), const char *name,
			const char *first, va_list *ap, bool has_environment)
{
	char *argv[ARGUMENTS_MAX];
	size_t n = 0;

	for (const char *arg = first; n < ARGUMENTS_MAX; arg = va_arg(*ap, const char *)) {
		argv[n++] = (char *)(uintptr_t)arg;
		if (!arg)
			return start(name, argv,
				     has_environment ? va_arg(*ap, char *const *) : environ);
	}
	return refuse(E2BIG);
}

#define LISTED(name, start, has_environment)                                                       \
	int hook_##name(const char *file, const char *arg, ...)                                    \
	{                                                                                          \
		va_list ap;                                                                        \
		int r;                                                                             \
                                                                                                   \
		va_start(ap, arg);                                                                 \
		r = start_listed(start, file, arg, &ap, has_environment);                          \
		va_end(ap);                                                                        \
		return r;                                                                          \
	}

LISTED(execl, hook_execve, false)
LISTED(execlp, hook_execvpe, false)
LISTED(execle, hook_execve, true)
