/*
 * tracer PROGRAM [ARGUMENT ...] - runs a program, and all that it forks, and stops it at every
 * system call for an instant, as strace -f does; it says nothing. SIGTERM is passed on.
 *
 * tracer --stop PROGRAM ...: leaves it stopped at its first exec(3) until SIGUSR1, as gdbserver
 * does until somebody connects.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;
static volatile sig_atomic_t released;

static void pass_on(int sig)
{
	if (child > 1)
		(void)kill(child, sig);
}

static void release(int sig)
{
	(void)sig;
	released = 1;
}

static void wait_for_release(void)
{
	sigset_t usr1, before;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	while (!released)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	bool stop = argc > 1 && !strcmp(argv[1], "--stop");
	char **command = argv + 1 + stop;
	int status;
	pid_t pid;

	if (!*command)
		return 2;
	signal(SIGTERM, pass_on);
	signal(SIGUSR1, release);
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(*command, command);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return 1;
	(void)ptrace(PTRACE_SETOPTIONS, child, NULL, options);
	if (stop)
		wait_for_release();
	(void)ptrace(PTRACE_SYSCALL, child, NULL, 0L);
	for (;;) {
		long sig = 0;

		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return 0;
		if (!WIFSTOPPED(status)) {
			if (pid == child)
				return WIFEXITED(status) ? WEXITSTATUS(status)
							 : 128 + WTERMSIG(status);
			continue;
		}
		/* Our own stops are no signals of it: system calls, events, and a new child's
		 * first. */
		if (WSTOPSIG(status) != (SIGTRAP | 0x80) && status >> 16 == 0 &&
		    WSTOPSIG(status) != SIGSTOP && WSTOPSIG(status) != SIGTRAP)
			sig = WSTOPSIG(status);
		(void)ptrace(PTRACE_SYSCALL, pid, NULL, sig);
	}
}
