/* A process per connection, forked after accept. */
#include "app.h"

int main(int argc, char **argv)
{
	int listener = app_listen(app_port(argc, argv, 1));

	signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
	for (;;) {
		int fd = app_accept(listener);

		switch (fork()) {
		case -1:
			app_serve(fd);
			break;
		case 0:
			close(listener);
			app_serve(fd);
			_exit(0);
		default:
			close(fd);
		}
	}
}
