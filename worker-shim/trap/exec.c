/*
 * exec.c - what the program executes keeps the filter and has no handler. So one that is loaded
 * where the text of this one is, as each that has a fixed address, is executed by the launcher,
 * which puts the blob into it, too. All others do not notice the filter.
 *
 * It may be in a vfork child: everything is on the stack.
 */
#include <elf.h>
#include <string.h>
#include "handler.h"
#include "libc.h"
#include "preload/adopt.h"
#include "preload/real.h"

/* More of them, and the stack is too small; then it is executed as it is. */
#define ARGUMENTS_MAX 1024

static bool has_fixed_address(const char *path)
{
	_cleanup_real_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr eh;

	return fd >= 0 && real.read(fd, &eh, sizeof(eh)) == (ssize_t)sizeof(eh) &&
	       !memcmp(eh.e_ident, ELFMAG, SELFMAG) && eh.e_type == ET_EXEC;
}

int hook_execve(const char *path, char *const argv[], char *const envp[])
{
	const char *launcher = trap_params.launcher;
	size_t n = 0;

	adopt_settle_all();
	while (argv && argv[n] && n <= ARGUMENTS_MAX)
		n++;
	if (*launcher && path && n <= ARGUMENTS_MAX && has_fixed_address(path) &&
	    RAW(faccessat, AT_FDCWD, (long)path, X_OK) == 0) {
		const char **all = __builtin_alloca((n + 5) * sizeof(*all));

		all[0] = "worker-shim";
		all[1] = "--execute";
		all[2] = path;
		all[3] = "--";
		for (size_t i = 0; i <= n; i++)
			all[4 + i] = argv ? argv[i] : NULL;
		(void)RAW(execve, (long)launcher, (long)all, (long)envp);
		/* It is not there, in a root directory of the program's own choice. */
	}
	return (int)CALL(execve, (long)path, (long)argv, (long)envp);
}

int hook_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	adopt_settle_all();
	return (int)CALL(execveat, dir, (long)path, (long)argv, (long)envp, flags);
}
