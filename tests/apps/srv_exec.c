/*
 * Binds and listens, then becomes another image of itself that finds the listening socket
 * by its number: how self-upgrading servers and socket-activating wrappers work.
 */
#include "app.h"

int main(int argc, char **argv)
{
	const char *inherited = getenv("SRV_EXEC_FD");
	int port = app_port(argc, argv, 1);
	char text[16];
	int fd;

	if (!inherited) {
		fd = app_listen(port);
		snprintf(text, sizeof(text), "%d", fd);
		setenv("SRV_EXEC_FD", text, 1);
		execv("/proc/self/exe", argv);
		app_die("exec");
	}
	fd = atoi(inherited);
	for (;;)
		app_serve(app_accept(fd));
}
