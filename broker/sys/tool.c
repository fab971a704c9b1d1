#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

/* posix_spawn(3), as it reports a failed exec in the parent, and needs no code in the child. */
static int start(char *const *argv, pid_t *ret_pid)
{
	posix_spawnattr_t attr;
	sigset_t defaults, none;
	int e = posix_spawnattr_init(&attr);

	if (e != 0)
		return -e;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGQUIT);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &defaults);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	e = posix_spawnp(ret_pid, argv[0], NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	return -e;
}

int tool_run(char *const *argv, int *ret_status)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old_int, old_quit;
	pid_t pid = -1, ended;
	int status = 0, r;

	/* Before the start: a Ctrl-C meant for it must not find us unprepared. */
	sigaction(SIGINT, &ignore, &old_int);
	sigaction(SIGQUIT, &ignore, &old_quit);
	r = start(argv, &pid);
	if (r == 0) {
		do
			ended = waitpid(pid, &status, 0);
		while (ended < 0 && errno == EINTR);
		if (ended < 0)
			r = -errno;
	}
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGQUIT, &old_quit, NULL);
	if (r < 0)
		return r;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}
