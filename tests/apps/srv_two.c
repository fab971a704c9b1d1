/* Two ports, one thread: poll(2) says which one has a connection. */
#include "app.h"

int main(int argc, char **argv)
{
	struct pollfd pfd[2] = {
		{ .fd = app_listen(app_port(argc, argv, 1)), .events = POLLIN },
		{ .fd = app_listen(app_port(argc, argv, 2)), .events = POLLIN },
	};

	for (;;) {
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			app_die("poll");
		for (int i = 0; i < 2; i++)
			if (pfd[i].revents)
				app_serve(app_accept(pfd[i].fd));
	}
}
