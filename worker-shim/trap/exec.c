/*
 * exec.c - what the program executes keeps the filter and has no handler. So one that is loaded
 * where the text of this one is, as each that has a fixed address, is executed by the launcher,
 * which puts the blob into it, too. All others do not notice the filter.
 */
#include <limits.h>
#include "handler.h"
#include "libc.h"
#include "preload/adopt.h"
#include "preload/environ.h"
#include "preload/launched.h"
#include "preload/real.h"

bool exec_is_own(const char *path)
{
	char own[32];

	if (RAW(faccessat, AT_FDCWD, (long)path, F_OK) < 0)
		return false;
	strcpy(number_write(stpcpy(own, "/proc/"), (unsigned)getpid(), 10), "/exe");
	return !strcmp(path, "/proc/self/exe") || !strcmp(path, "/proc/thread-self/exe") ||
	       !strcmp(path, own);
}

/* The launcher would take such a name for itself. */
static const char *own_path(char room[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", room, PATH_MAX - 1);

	room[n > 0 ? n : 0] = '\0';
	return room;
}

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	const char *option;

	adopt_settle_all();
	if (exec_is_own(path))
		path = own_path(__builtin_alloca(PATH_MAX));
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
