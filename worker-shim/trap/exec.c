/*
 * exec.c - what the program executes keeps the filter and has no handler. So one that is loaded
 * where the text of this one is, as each that has a fixed address, is executed by the launcher,
 * which puts the blob into it, too. All others do not notice the filter.
 */
#include "libc.h"
#include "preload/adopt.h"
#include "preload/environ.h"
#include "preload/launched.h"
#include "preload/real.h"

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	const char *option;

	adopt_settle_all();
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
