/*
 * hooks_exec.c - programs that this process executes have the library, too: see environ.h. They may
 * be in a vfork child, so everything is on the stack.
 */
#include "hooks.h"

#include "environ.h"
#include "family.h"
#include "real.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

/*
 * Puts what is missing into *@envp, on the stack of the function that uses this. The size is
 * bounded, and mostly that of a small table, or 0.
 */
#define COMPLETE(envp)                                                                             \
	do {                                                                                       \
		size_t room = environ_room(&environ_kept, *(envp));                                \
		if (room)                                                                          \
			*(envp) = environ_restore(&environ_kept, *(envp), __builtin_alloca(room)); \
	} while (0)

static void before_exec(void)
{
	real_ready();
	family_settle_all();
}

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	before_exec();
	COMPLETE(&envp);
	return real.execve(path, argv, envp);
}

int hook_execv(const char *path, char *const argv[])
{
	return hook_execve(path, argv, environ);
}

int hook_execvpe(const char *file, char *const argv[], char *const envp[])
{
	before_exec();
	COMPLETE(&envp);
	return real.execvpe(file, argv, envp);
}

int hook_execvp(const char *file, char *const argv[])
{
	return hook_execvpe(file, argv, environ);
}

int hook_fexecve(int fd, char *const argv[], char *const envp[])
{
	before_exec();
	COMPLETE(&envp);
	return real.fexecve(fd, argv, envp);
}

/* Older libcs have no function for it. */
int hook_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	before_exec();
	COMPLETE(&envp);
	return (int)real.syscall(SYS_execveat, dir, path, argv, envp, flags);
}

int hook_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		     const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_exec();
	COMPLETE(&envp);
	return real.posix_spawn(pid, path, actions, attr, argv, envp);
}

int hook_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	before_exec();
	COMPLETE(&envp);
	return real.posix_spawnp(pid, file, actions, attr, argv, envp);
}

/* --- arguments one by one -------------------------------------------------------------- */

/* More than any call in a source file has. Small, as the stack may be that of a signal handler. */
#define ARGUMENTS_MAX 256

/* Copies the arguments of @ap, which begin after @first, and NULL. False: too many. */
static bool collect(const char *first, va_list *ap, char *ret[ARGUMENTS_MAX])
{
	size_t n = 0;

	for (const char *arg = first; n < ARGUMENTS_MAX; arg = va_arg(*ap, const char *)) {
		ret[n++] = (char *)(uintptr_t)arg;
		if (!arg)
			return true;
	}
	return false;
}

int hook_execl(const char *path, const char *arg, ...)
{
	char *argv[ARGUMENTS_MAX];
	bool fits;
	va_list ap;

	va_start(ap, arg);
	fits = collect(arg, &ap, argv);
	va_end(ap);
	return fits ? hook_execv(path, argv) : refuse(E2BIG);
}

int hook_execlp(const char *file, const char *arg, ...)
{
	char *argv[ARGUMENTS_MAX];
	bool fits;
	va_list ap;

	va_start(ap, arg);
	fits = collect(arg, &ap, argv);
	va_end(ap);
	return fits ? hook_execvp(file, argv) : refuse(E2BIG);
}

int hook_execle(const char *path, const char *arg, ...)
{
	char *argv[ARGUMENTS_MAX], *const *envp = NULL;
	bool fits;
	va_list ap;

	va_start(ap, arg);
	fits = collect(arg, &ap, argv);
	if (fits)
		envp = va_arg(ap, char *const *);
	va_end(ap);
	return fits ? hook_execve(path, argv, envp) : refuse(E2BIG);
}
