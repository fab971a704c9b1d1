/*
 * A wrapper as gdbserver is one: it listens on a port of its own, and runs the app below it.
 *
 *	wrap_listen PORT COMMAND [ARGUMENT ...]
 *
 * Answers "wrapper\n" to whoever connects to PORT, until the app ends; ends as the app does.
 */
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_listener(int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0) {
		perror("wrap_listen");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd wait[2];
	sigset_t child;
	int status = 0;
	pid_t pid;

	if (argc < 3)
		return 2;
	wait[0] = (struct pollfd){ .fd = open_listener(atoi(argv[1])), .events = POLLIN };
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	wait[1] = (struct pollfd){ .fd = signalfd(-1, &child, SFD_CLOEXEC), .events = POLLIN };
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_UNBLOCK, &child, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		poll(wait, 2, -1);
		if (wait[0].revents & POLLIN) {
			int conn = accept(wait[0].fd, NULL, NULL);

			(void)!write(conn, "wrapper\n", 8);
			close(conn);
		}
		if (wait[1].revents & POLLIN) {
			struct signalfd_siginfo info;

			(void)!read(wait[1].fd, &info, sizeof(info));
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
