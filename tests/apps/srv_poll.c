/* One thread, poll(2) over the listening socket and all connections. */
#include "app.h"

static struct app_conn conns[APP_CONNS]; /* conns[i] belongs to pfd[i + 1] */

int main(int argc, char **argv)
{
	static struct pollfd pfd[APP_CONNS + 1];

	pfd[0].fd = app_listen(app_port(argc, argv, 1));
	pfd[0].events = POLLIN;
	for (int i = 0; i < APP_CONNS; i++)
		pfd[i + 1].fd = -1;

	for (;;) {
		if (poll(pfd, APP_CONNS + 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			app_die("poll");
		}
		for (int i = 0; i < APP_CONNS; i++)
			if (pfd[i + 1].fd >= 0 && pfd[i + 1].revents && !app_serve_some(&conns[i]))
				pfd[i + 1].fd = -1;
		if (!pfd[0].revents)
			continue;
		for (int i = 0; i < APP_CONNS; i++) {
			if (pfd[i + 1].fd >= 0)
				continue;
			conns[i].fd = app_accept_polled(pfd[0].fd);
			pfd[i + 1].fd = conns[i].fd;
			pfd[i + 1].events = POLLIN;
			break;
		}
	}
}
