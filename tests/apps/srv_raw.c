/*
 * A program that does with signals and descriptors what a back end inside of it might not survive,
 * and what programs do that make their system calls themselves. Then it serves, one client at a
 * time. As `srv_raw helper` it is what it executes: a server of its own for a moment.
 */
#include "app.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile sig_atomic_t n_signals;
static int listener;

#define NEED(condition)                                                                            \
	do                                                                                         \
		if (!(condition)) {                                                                \
			fprintf(stderr, "srv_raw: line %d: %s: %m\n", __LINE__, #condition);       \
			exit(1);                                                                   \
		}                                                                                  \
	while (0)

/* With all signals blocked, in the middle of something. */
static void on_signal(int sig)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	sigset_t all;

	(void)sig;
	NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0 && len == sizeof(addr));
	sigfillset(&all);
	NEED(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	n_signals++;
}

static void check_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct epoll_event event;
	sigset_t all, before, now;

	sigfillset(&all);
	NEED(sigprocmask(SIG_SETMASK, &all, &before) == 0);
	NEED(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	NEED(sigismember(&now, SIGTERM) && sigismember(&now, SIGUSR1) &&
	     !sigismember(&before, SIGTERM));
	action.sa_mask = all;
	NEED(sigaction(SIGUSR1, &action, NULL) == 0);
	NEED(sigaction(SIGSYS, &action, NULL) == 0);
	NEED(raise(SIGUSR1) == 0 && n_signals == 0);
	NEED(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
	NEED(n_signals == 1);
	NEED(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	NEED(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGTERM));
	NEED(sigprocmask(-1, &all, NULL) < 0 && errno == EINVAL);
	/* As a server that waits for a signal and nothing else: its mask is for the wait alone. */
	NEED(sigprocmask(SIG_SETMASK, &all, &before) == 0 && raise(SIGUSR1) == 0);
	sigdelset(&all, SIGUSR1);
	NEED(sigsuspend(&all) < 0 && errno == EINTR && n_signals == 2);
	NEED(raise(SIGUSR1) == 0 && ppoll(NULL, 0, NULL, &all) < 0 && errno == EINTR &&
	     n_signals == 3);
	NEED(raise(SIGUSR1) == 0 && pselect(0, NULL, NULL, NULL, NULL, &all) < 0 &&
	     errno == EINTR && n_signals == 4);
	NEED(raise(SIGUSR1) == 0 && epoll_pwait(epoll_create1(0), &event, 1, -1, &all) < 0 &&
	     errno == EINTR && n_signals == 5);
	NEED(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
}

/* The kernel's own words for a listening socket. */
static void check_listener(int port)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int value = 0, copy;

	NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	NEED(len == sizeof(addr) && addr.sin_family == AF_INET && ntohs(addr.sin_port) == port);
	len = sizeof(value);
	NEED(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value == 1);
	NEED(getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &value, &len) == 0 && value == AF_INET);
	len = sizeof(addr);
	NEED(getpeername(listener, (struct sockaddr *)&addr, &len) < 0 && errno == ENOTCONN);
	NEED(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == EINVAL);
	copy = dup(listener);
	NEED(copy >= 0 && close(listener) == 0);
	len = sizeof(addr);
	NEED(getsockname(copy, (struct sockaddr *)&addr, &len) == 0 &&
	     ntohs(addr.sin_port) == port);
	NEED(dup2(copy, listener) == listener && close(copy) == 0);
	errno = 0;
	/* io_uring_setup() */
	NEED(syscall(425, 8, NULL) < 0 && errno == (getenv("BROKER_TOKEN") ? ENOSYS : EFAULT));
}

/* As of a program that was executed, however it began. */
static void check_own_file(const char *self)
{
	char own[4096], pid[32], seen[4096] = "";
	/* The compiler would not believe it. */
	char *volatile nowhere = NULL;
	size_t n = strlen(realpath(self, own) ? own : "");

	snprintf(pid, sizeof(pid), "/proc/%d/exe", (int)getpid());
	NEED(readlink("/proc/self/exe", seen, sizeof(seen)) == (ssize_t)n && !strcmp(seen, own));
	NEED(readlink(pid, seen, n) == (ssize_t)n && !strcmp(seen, own));
	memset(seen, 'x', sizeof(seen));
	NEED(readlinkat(AT_FDCWD, "/proc/self/exe", seen, 2) == 2 && !memcmp(seen, own, 2));
	NEED(seen[2] == 'x' && readlink("/proc/self/exe", nowhere, 8) < 0 && errno == EFAULT);
	NEED(readlink("/proc/self/exe", seen, 0) < 0 && errno == EINVAL);
	NEED(readlink(nowhere, seen, 8) < 0 && errno == EFAULT);
	NEED(readlink("/proc/1/no", seen, 8) < 0 && errno == ENOENT);
	NEED(readlink("/proc/self/cwd", seen, sizeof(seen)) > 0);
}

static void run_helper(const char *self, pid_t (*start)(void))
{
	char name[] = "helper of it", word[] = "helper", *const argv[] = { name, word, NULL };
	int status;
	pid_t pid = start();

	if (pid == 0) {
		execv(self, argv);
		_exit(9);
	}
	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	NEED(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* A listener of its own choice of port, which is its own. */
static int be_helper(const char *name)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	sigset_t all;

	NEED(!strcmp(name, "helper of it"));
	sigfillset(&all);
	NEED(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, 1) == 0);
	NEED(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
	NEED(connect(client, (struct sockaddr *)&addr, len) == 0);
	NEED(accept(fd, NULL, NULL) >= 0);
	return 7;
}

int main(int argc, char **argv)
{
	static char small[8192];
	/* Of what some runtimes have, and of what a signal needs with all registers. */
	stack_t stack = { .ss_sp = small, .ss_size = sizeof(small) };
	int port;

	if (argc > 1 && !strcmp(argv[1], "helper"))
		return be_helper(argv[0]);
	port = app_port(argc, argv, 1);
	NEED(sigaltstack(&stack, NULL) == 0);
	listener = app_listen(port);
	check_signals();
	check_listener(port);
	check_own_file(argv[0]);
	run_helper(argv[0], fork);
	run_helper(argv[0], vfork);
	run_helper("/proc/self/exe", vfork);
	NEED(execv("/nowhere/at/all", argv) < 0 && errno == ENOENT);
	check_listener(port);
	for (;;)
		app_serve(app_accept(listener));
}
