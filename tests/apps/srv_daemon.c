/*
 * Daemonises as textbooks teach it: fork, setsid, fork, and every descriptor closed.
 *
 *	srv_daemon PORT			daemonises first, then listens
 *	srv_daemon PORT listen-first	listens first and keeps that one descriptor, as nginx does
 *	srv_daemon PORT exec FIFO	daemonises, executes itself and listens. Until there is a
 *line to read it looks as a process does in the middle of execve(2)
 */
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/prctl.h>
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

static unsigned long from_stat(int field)
{
	char text[4096], *p;
	FILE *f = fopen("/proc/self/stat", "r");

	if (!f || !fgets(text, sizeof(text), f))
		app_die("/proc/self/stat");
	fclose(f);
	p = strrchr(text, ')') + 2; /* field 3 */
	for (int i = 3; i < field; i++)
		p = strchr(p, ' ') + 1;
	return strtoul(p, NULL, 10);
}

/* proc(5) shows neither a command line nor an environment of this process from now on. */
static void hide_words(void)
{
	struct prctl_mm_map map = {
		.start_code = from_stat(26),
		.end_code = from_stat(27),
		.start_stack = from_stat(28),
		.start_data = from_stat(45),
		.end_data = from_stat(46),
		.start_brk = from_stat(47),
		.brk = (unsigned long)sbrk(0),
		.arg_start = from_stat(48),
		.arg_end = from_stat(48),
		.env_start = from_stat(50),
		.env_end = from_stat(50),
		.exe_fd = (unsigned)-1,
	};

	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
		app_die("PR_SET_MM_MAP");
}

int main(int argc, char **argv)
{
	int port = app_port(argc, argv, 1);
	int listener = -1;

	if (argc > 2 && !strcmp(argv[2], "listen-first"))
		listener = app_listen(port);
	if (argc > 3)
		hide_words(); /* and so of its children */
	if (argc < 3 || strcmp(argv[2], "foreground") != 0)
		daemonise(listener);
	if (argc > 3) {
		app_wait(argv[3]);
		execl("/proc/self/exe", argv[0], argv[1], "foreground", NULL);
		_exit(1);
	}
	if (listener < 0)
		listener = app_listen(port);
	for (;;)
		app_serve(app_accept(listener));
}
