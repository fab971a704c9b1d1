/*
 * The order of asio and others: the socket is in the epoll set before listen() is called.
 *
 * A connection leaves the set by its close() and in no other way, so that an event for one that is
 * closed is an event for what such a program has freed. This one says so.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include "app.h"

static struct app_conn conns[APP_CONNS];

static struct app_conn *unused(void)
{
	for (size_t i = 0; i < APP_CONNS; i++)
		if (!conns[i].fd)
			return &conns[i];
	fprintf(stderr, "too many connections\n");
	exit(1);
}

int main(int argc, char **argv)
{
	int listener = app_bind(app_port(argc, argv, 1));
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &ev) < 0)
		app_die("epoll");
	if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || listen(listener, 128) < 0)
		app_die("listen");

	for (;;) {
		struct app_conn *c;

		if (epoll_wait(epoll_fd, &ev, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			app_die("epoll_wait");
		}
		c = ev.data.ptr;
		if (c) {
			if (!c->fd) {
				fprintf(stderr, "an event for a connection that is closed\n");
				exit(1);
			}
			(void)app_serve_some(c);
			continue;
		}
		for (int fd = app_accept(listener); fd >= 0; fd = app_accept(listener)) {
			c = unused();
			c->fd = fd;
			ev = (struct epoll_event){ .events = EPOLLIN, .data.ptr = c };
			if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
				app_die("epoll_ctl");
		}
	}
}
