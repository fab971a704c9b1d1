/*
 * Has at most two clients: closes its listening socket while it has them, as connection limits do,
 * and opens it again when one has left. A client is served when it sends its request.
 */
#include "app.h"

#define LIMIT 2

static void count_down(struct app_conn *conns, struct pollfd *pfd, int *n)
{
	for (int i = 0; i < LIMIT; i++)
		if (conns[i].fd && pfd[i + 1].revents && !app_serve_some(&conns[i])) {
			conns[i].fd = 0;
			(*n)--;
		}
}

int main(int argc, char **argv)
{
	struct app_conn conns[LIMIT] = { 0 };
	int port = app_port(argc, argv, 1), n = 0, fd = -1;

	for (;;) {
		struct pollfd pfd[LIMIT + 1] = { { .events = POLLIN } };

		if (fd < 0 && n < LIMIT)
			fd = app_listen(port);
		pfd[0].fd = fd;
		for (int i = 0; i < LIMIT; i++)
			pfd[i + 1] = (struct pollfd){ .fd = conns[i].fd ? conns[i].fd : -1,
						      .events = POLLIN };
		if (poll(pfd, LIMIT + 1, -1) < 0 && errno != EINTR)
			app_die("poll");
		count_down(conns, pfd, &n);
		if (fd < 0 || !pfd[0].revents)
			continue;
		for (int i = 0; i < LIMIT; i++)
			if (!conns[i].fd) {
				conns[i].fd = app_accept_polled(fd);
				n++;
				break;
			}
		if (n == LIMIT) {
			close(fd);
			fd = -1;
		}
	}
}
