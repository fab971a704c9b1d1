/*
 * Listens first and loads afterwards, as pre-forking servers do: srv_late PORT FIFO accepts when
 * there is a line to read from the FIFO.
 */
#include "app.h"

int main(int argc, char **argv)
{
	int fd = app_listen(app_port(argc, argv, 1));

	app_wait(argv[2]);
	for (;;)
		app_serve(app_accept(fd));
}
