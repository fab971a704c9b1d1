/*
 * Listens first and loads afterwards, as pre-forking servers do: srv_late PORT FIFO accepts when
 * there is a line to read from the FIFO.
 */
#include "app.h"

int main(int argc, char **argv)
{
	int fd = app_listen(app_port(argc, argv, 1));
	FILE *gate = argc > 2 ? fopen(argv[2], "r") : NULL;
	char line[16];

	/* One line is for one worker: none may be read ahead. */
	if (gate)
		setvbuf(gate, NULL, _IONBF, 0);
	if (!gate || !fgets(line, sizeof(line), gate))
		app_die("no gate");
	for (;;)
		app_serve(app_accept(fd));
}
