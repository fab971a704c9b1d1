/*
 * exec.c - what the program executes keeps the filter and has no handler. So one that is loaded
 * where the text of this one is, as each that has a fixed address, is executed by the launcher,
 * which puts the blob into it, too. All others do not notice the filter.
 *
 * /proc/self/exe of a program that was loaded is the launcher: so it is told, and executes, what it
 * takes for itself.
 */
#include "handler.h"
#include "libc.h"
#include "preload/adopt.h"
#include "preload/environ.h"
#include "preload/launched.h"
#include "preload/real.h"

const char *exec_path(const char *path)
{
	char own[32];

	if (!trap_params.entry || RAW(faccessat, AT_FDCWD, (long)path, F_OK) < 0)
		return path;
	strcpy(number_write(stpcpy(own, "/proc/"), (unsigned)getpid(), 10), "/exe");
	return strcmp(path, "/proc/self/exe") == 0 || strcmp(path, "/proc/thread-self/exe") == 0 ||
			       strcmp(path, own) == 0
		       ? (const char *)trap_params.program
		       : path;
}

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	const char *option;

	adopt_settle_all();
	path = exec_path(path);
	option = launched_option(path, argv, envp);
	if (option) {
		void *room = __builtin_alloca(launched_room(argv));

		(void)RAW(execve, (long)environ_kept.launcher,
			  (long)launched_words(option, path, argv, room), (long)envp);
		/* It is not there, in a root directory of the program's own choice. */
	}
	return (int)CALL(execve, (long)path, (long)argv, (long)envp);
}

int hook_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	adopt_settle_all();
	return (int)CALL(execveat, dir, (long)path, (long)argv, (long)envp, flags);
}
