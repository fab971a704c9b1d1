/*
 * Looks whether its port is free on every address, as libraries that find a free port do: listens
 * and closes at once. Then it serves on the loopback address.
 */
#include "app.h"

int main(int argc, char **argv)
{
	int port = app_port(argc, argv, 1), fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 1) < 0)
		app_die("probe");
	close(fd);
	fd = app_listen(port);
	for (;;)
		app_serve(app_accept(fd));
}
