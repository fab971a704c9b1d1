/* One process, one thread, blocking accept: one connection at a time, the next one waits. */
#include "app.h"

int main(int argc, char **argv)
{
	int fd = app_listen(app_port(argc, argv, 1));

	for (;;)
		app_serve(app_accept(fd));
}
