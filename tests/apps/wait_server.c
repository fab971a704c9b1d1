/*
 * A program for inetd with `wait`: descriptor 0 is a socket that listens, or one for datagrams. It
 * answers each line with its pid and the line, and ends when nothing has come for as many
 * milliseconds as its argument says. "exit N" ends it; "hold" keeps the connection until the client
 * closes it; "fork" leaves that to a child, and ends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void answer(int fd, const char *line, const struct sockaddr *to, socklen_t len)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "pid=%d line=%s\n", (int)getpid(), line);

	if (sendto(fd, text, (size_t)n, 0, to, len) < 0)
		perror("sendto");
}

static void read_to_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		continue;
}

/* A child has @fd, and answers once more when the client has closed or written. */
static void leave_to_child(int fd, int again)
{
	char byte;

	if (fork() != 0)
		exit(0);
	if (!again)
		read_to_end(fd);
	else if (read(fd, &byte, 1) >= 0)
		answer(fd, "child", NULL, 0);
	exit(0);
}

static void serve_stream(void)
{
	int fd = accept(STDIN_FILENO, NULL, NULL);
	char line[200] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n <= 0) {
		perror("no line");
		exit(1);
	}
	line[strcspn(line, "\r\n")] = '\0';
	answer(fd, line, NULL, 0);
	if (!strncmp(line, "exit ", 5))
		exit(atoi(line + 5));
	if (!strcmp(line, "hold"))
		read_to_end(fd);
	if (!strcmp(line, "fork"))
		leave_to_child(fd, 0);
	(void)close(fd);
}

/* A child talks from a socket of its own, as tftpd does. */
static void serve_datagram(void)
{
	struct sockaddr_storage from;
	struct sockaddr *to = (struct sockaddr *)&from;
	socklen_t len = sizeof(from);
	char line[200] = "";
	int fd;

	if (recvfrom(STDIN_FILENO, line, sizeof(line) - 1, 0, to, &len) < 0) {
		perror("recvfrom");
		exit(1);
	}
	line[strcspn(line, "\r\n")] = '\0';
	if (!strcmp(line, "fork")) {
		fd = socket(to->sa_family, SOCK_DGRAM, 0);
		if (fd < 0 || connect(fd, to, len) < 0)
			exit(1);
		answer(fd, line, NULL, 0);
		leave_to_child(fd, 1);
	}
	answer(STDIN_FILENO, line, to, len);
	if (!strncmp(line, "exit ", 5))
		exit(atoi(line + 5));
}

int main(int argc, char **argv)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int type = 0, idle_ms = argc > 1 ? atoi(argv[1]) : 200;
	socklen_t len = sizeof(type);

	if (idle_ms < 0) /* takes nothing */
		return 0;
	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
		perror("no socket");
		return 1;
	}
	while (poll(&p, 1, idle_ms) > 0)
		if (type == SOCK_DGRAM)
			serve_datagram();
		else
			serve_stream();
	return 0;
}
