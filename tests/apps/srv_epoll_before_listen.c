/* The order of asio and others: the socket is in the epoll set before listen() is called. */
#include <fcntl.h>
#include <sys/epoll.h>
#include "app.h"

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
			int fd = c->fd;

			/*
			 * Closing takes a connection out of the set only if nobody else holds it,
			 * and the broker may for a moment more (apps.md): so it fires once.
			 */
			ev.events = EPOLLIN | EPOLLONESHOT;
			if (!app_serve_some(c))
				free(c);
			else if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &ev) < 0)
				app_die("epoll_ctl");
			continue;
		}
		for (int fd = app_accept(listener); fd >= 0; fd = app_accept(listener)) {
			c = calloc(1, sizeof(*c));
			if (!c)
				app_die("calloc");
			c->fd = fd;
			ev = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT,
						   .data.ptr = c };
			if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
				app_die("epoll_ctl");
		}
	}
}
