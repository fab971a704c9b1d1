#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"

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

/* Until @pid ends, or there is nothing left to watch. */
static void watch_until_end(struct tool_watch *watch, pid_t pid)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	while (pidfd >= 0 && watch->fd >= 0) {
		struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN },
					 { .fd = watch->fd, .events = POLLIN } };

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno != EINTR)
				return;
			continue;
		}
		/* In this order: what has ended it may have been told just before. */
		if (fds[1].revents)
			watch->ready(watch);
		if (fds[0].revents)
			return;
	}
}

int tool_run(char *const *argv, struct tool_watch *watch, int *ret_status)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old_int, old_quit;
	pid_t pid = -1, ended;
	int status = 0, r;

	/* Before the start: a Ctrl-C meant for it must not find us unprepared. */
	sigaction(SIGINT, &ignore, &old_int);
	sigaction(SIGQUIT, &ignore, &old_quit);
	r = start(argv, &pid);
	if (r == 0) {
		watch_until_end(watch, pid);
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
