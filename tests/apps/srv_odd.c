/*
 * Servers with a habit, one for each word. All serve PORT as the others do, one connection after
 * another.
 *
 *	probe		sees whether the port is free, by listening on it, and closes it again first
 *	zero		listens on a port of the kernel's choice too, and prints its number
 *	elsewhere PORT	listens on that port instead of PORT
 *	count N		ends after N connections, as memory-shy servers do
 *	close N		closes its listening socket after N connections, and finishes those it has
 *	leave N CODE	hands connection N to a child that outlives it, and ends with CODE
 *	both N		as leave, but the child has the listening socket too, and serves on
 */
#include "app.h"

/* A child serves the connection to its end, and if it @stays then what comes from @listener. */
static void leave_to_child(int fd, int listener, bool stays)
{
	pid_t pid = fork();

	if (pid < 0)
		app_die("fork");
	if (pid > 0) {
		close(fd);
		return;
	}
	if (!stays)
		close(listener);
	app_serve(fd);
	while (stays)
		app_serve(app_accept(listener));
	_exit(0);
}

static int listen_on_any_port(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = app_listen(0);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		app_die("getsockname");
	printf("zero %d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	int port = app_port(argc, argv, 1);
	const char *habit = argc > 2 ? argv[2] : "";
	int n = argc > 3 ? atoi(argv[3]) : 0;
	int code = argc > 4 ? atoi(argv[4]) : 0;
	int listener;

	if (!strcmp(habit, "probe"))
		close(app_listen(port));
	if (!strcmp(habit, "zero"))
		(void)listen_on_any_port();
	listener = app_listen(strcmp(habit, "elsewhere") != 0 ? port : n);

	for (int served = 1;; served++) {
		int fd = app_accept(listener);

		if (served == n && !strcmp(habit, "close")) {
			close(listener);
			app_serve(fd);
			pause();
		}
		if (served == n && !strcmp(habit, "leave")) {
			leave_to_child(fd, listener, false);
			exit(code);
		}
		if (served == n && !strcmp(habit, "both")) {
			leave_to_child(fd, listener, true);
			exit(code);
		}
		app_serve(fd);
		if (served == n && !strcmp(habit, "count"))
			return 0;
	}
}
