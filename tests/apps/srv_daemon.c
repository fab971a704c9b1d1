/*
 * Daemonises as textbooks teach it: fork, setsid, fork, and every descriptor closed.
 *
 *	srv_daemon PORT			daemonises first, then listens
 *	srv_daemon PORT listen-first	listens first and keeps that one descriptor, as nginx does
 */
#include <fcntl.h>
#include "app.h"

static void leave_parent(void)
{
	pid_t pid = fork();

	if (pid < 0)
		app_die("fork");
	if (pid > 0)
		_exit(0);
}

static void daemonise(int keep)
{
	leave_parent();
	if (setsid() < 0)
		app_die("setsid");
	leave_parent();
	for (int fd = 0; fd < 1024; fd++)
		if (fd != keep)
			close(fd);
	if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2)
		_exit(1);
	app_pid = getpid();
}

int main(int argc, char **argv)
{
	int port = app_port(argc, argv, 1);
	int listener = -1;

	if (argc > 2 && !strcmp(argv[2], "listen-first"))
		listener = app_listen(port);
	daemonise(listener);
	if (listener < 0)
		listener = app_listen(port);
	for (;;)
		app_serve(app_accept(listener));
}
