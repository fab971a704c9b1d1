/* One thread, select(2), a non-blocking listening socket that is accepted until it is empty. */
#include <fcntl.h>
#include <sys/select.h>
#include "app.h"

static struct app_conn conns[FD_SETSIZE]; /* by descriptor */

int main(int argc, char **argv)
{
	int listener = app_listen(app_port(argc, argv, 1));
	int top = listener;
	fd_set watched, ready;

	/* After listen(), as many old servers do. */
	if (fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) < 0)
		app_die("fcntl");
	FD_ZERO(&watched);
	FD_SET(listener, &watched);

	for (;;) {
		ready = watched;
		if (select(top + 1, &ready, NULL, NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			app_die("select");
		}
		for (int fd = 0; fd <= top; fd++)
			if (fd != listener && FD_ISSET(fd, &ready) && !app_serve_some(&conns[fd]))
				FD_CLR(fd, &watched);
		if (!FD_ISSET(listener, &ready))
			continue;
		for (int fd = app_accept(listener); fd >= 0; fd = app_accept(listener)) {
			if (fd >= FD_SETSIZE) {
				close(fd);
				continue;
			}
			conns[fd].fd = fd;
			FD_SET(fd, &watched);
			if (fd > top)
				top = fd;
		}
	}
}
