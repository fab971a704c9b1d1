/*
 * Two ports, one thread: poll(2) says which one has a connection. srv_two PORT PORT FIFO opens the
 * second when there is a line to read.
 */
#include "app.h"

int main(int argc, char **argv)
{
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };

	pfd[0].fd = app_listen(app_port(argc, argv, 1));
	if (argc > 3)
		app_wait(argv[3]);
	pfd[1].fd = app_listen(app_port(argc, argv, 2));
	for (;;) {
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			app_die("poll");
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents)
				app_serve(app_accept(pfd[i].fd));
	}
}
