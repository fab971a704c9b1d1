/*
 * inetd_floor - the least that a process for each connection can cost.
 *
 *	inetd_floor PORT                    accept4, fork, and the work of inetd_child in the fork
 *	inetd_floor PORT PROGRAM [ARG...]   accept4, vfork, exec of PROGRAM with the connection on 0
 *and 1
 *
 * Port 0 is any. It supervises nothing, limits nothing and logs nothing; the kernel reaps. Nothing
 * that starts a process for a connection can be cheaper than the first, and no inetd that executes
 *a program cheaper than the second.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include "answer.h"

static int die(const char *what)
{
	fprintf(stderr, "inetd_floor: %s: %s\n", what, strerror(errno));
	return 1;
}

static int listen_on(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)addr, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)addr, &len) < 0)
		return -1;
	return fd;
}

static int work(int fd)
{
	struct answer answer;

	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	close(fd);
	answer_init(&answer);
	answer_connection(&answer, STDIN_FILENO);
	return 0;
}

static void execute(char **argv, int fd)
{
	if (vfork() == 0) {
		(void)dup2(fd, STDIN_FILENO);
		(void)dup2(fd, STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int listener;

	if (argc < 2) {
		fprintf(stderr, "usage: inetd_floor PORT [PROGRAM [ARG...]]\n");
		return 2;
	}
	addr.sin_port = htons((unsigned short)atoi(argv[1]));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = listen_on(&addr);
	if (listener < 0)
		return die("listen");
	(void)signal(SIGCHLD, SIG_IGN);
	printf("listening %d\n", ntohs(addr.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return die("accept4");
		if (fd < 0)
			continue;
		if (argc > 2)
			execute(argv + 2, fd);
		else if (fork() == 0)
			return work(fd);
		close(fd);
	}
}
