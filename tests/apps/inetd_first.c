/*
 * A program for inetd that first touches its connection by the call that its argument names, and
 * answers then: its pid, that of the process in which it began, and the line that it read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int fd; /* what it reads from */
static char line[200];
static int seconds = 60;

static ssize_t by_poll(int flags)
{
	struct pollfd polled[] = { { .fd = -1 }, { .fd = 0, .events = POLLIN } };
	const struct timespec limit = { .tv_sec = seconds };
	int n = flags ? ppoll(polled, 2, &limit, NULL) : poll(polled, 2, 1000 * seconds);

	return n == 1 && polled[1].revents == POLLIN ? read(0, line, sizeof(line)) : -1;
}

static ssize_t by_select(int p)
{
	struct timespec limit = { .tv_sec = seconds };
	struct timeval also = { .tv_sec = seconds };
	fd_set set;
	int n;

	FD_ZERO(&set);
	FD_SET(0, &set);
	n = p ? pselect(1, &set, NULL, NULL, &limit, NULL) : select(1, &set, NULL, NULL, &also);
	return n == 1 && FD_ISSET(0, &set) ? read(0, line, sizeof(line)) : -1;
}

static ssize_t by_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epfd = epoll_create1(0);

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &event) < 0)
		return -1;
	return epoll_wait(epfd, &event, 1, 1000 * seconds) == 1 && event.events == EPOLLIN
		       ? read(0, line, sizeof(line))
		       : -1;
}

/* As event loops do: before it knows of any client. */
static ssize_t by_nonblocking(void)
{
	struct pollfd polled = { .fd = 0, .events = POLLIN };
	ssize_t n;

	(void)fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
	n = read(0, line, sizeof(line));
	if (n > 0)
		return -1; /* the client waits for a greeting */
	(void)!write(1, "hello\n", 6);
	return poll(&polled, 1, 1000 * seconds) == 1 ? read(0, line, sizeof(line)) : -1;
}

static ssize_t by_msg(void)
{
	struct iovec v = { line, sizeof(line) };
	struct msghdr msg = { .msg_iov = &v, .msg_iovlen = 1 };

	return recvmsg(0, &msg, 0);
}

static ssize_t first(const char *how)
{
	struct iovec v = { line, sizeof(line) };
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	int type = 0;

	if (!strcmp(how, "readv"))
		return readv(0, &v, 1);
	if (!strcmp(how, "recv"))
		return recv(0, line, sizeof(line), 0);
	if (!strcmp(how, "recvfrom"))
		return recvfrom(0, line, sizeof(line), 0, NULL, NULL);
	if (!strcmp(how, "recvmsg"))
		return by_msg();
	if (!strcmp(how, "poll") || !strcmp(how, "ppoll"))
		return by_poll(*how == 'p' && how[1] == 'p');
	if (!strcmp(how, "select") || !strcmp(how, "pselect"))
		return by_select(*how == 'p');
	if (!strcmp(how, "epoll"))
		return by_epoll();
	if (!strcmp(how, "nonblocking"))
		return by_nonblocking();
	if (!strcmp(how, "stdio"))
		return fgets(line, sizeof(line), stdin) ? (ssize_t)strlen(line) : -1;
	if (!strcmp(how, "getpeername") && getpeername(0, (struct sockaddr *)&name, &len) < 0)
		return -1;
	if (!strcmp(how, "getsockname") && getsockname(0, (struct sockaddr *)&name, &len) < 0)
		return -1;
	len = sizeof(type);
	if (!strcmp(how, "getsockopt") &&
	    (getsockopt(0, SOL_SOCKET, SO_DOMAIN, &type, &len) < 0 || type != AF_INET))
		return -1;
	if (!strcmp(how, "dup"))
		fd = dup(0);
	return read(fd, line, sizeof(line));
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "read";
	int began = (int)getpid();
	ssize_t n = first(how);

	if (n <= 0) {
		(void)fprintf(stderr, "%s: %s\n", how, strerror(errno));
		return 1;
	}
	line[strcspn(line, "\r\n")] = '\0';
	(void)printf("pid=%d began=%d line=%s\n", (int)getpid(), began, line);
	return 0;
}
