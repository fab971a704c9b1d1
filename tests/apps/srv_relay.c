/*
 * Does one half of a server's start, and leaves the other half to the program that comes next:
 *
 *	srv_relay PORT FIRST HOW PROGRAM ENVIRONMENT [GATE]
 *
 *	FIRST        bind, listen, none: what this program does with PORT; once: it listens, serves
 *	             one connection beside PROGRAM, and closes the socket
 *	HOW          exec: becomes PROGRAM; child: starts it and waits;
 *	             send: starts it and sends it the socket, which it takes after a line from $GATE
 *	PROGRAM      another copy of this program; it does the rest, and serves
 *	ENVIRONMENT  kept, clean, declined (an empty BROKER_TOKEN)
 *	GATE         this program serves, too, after a line from there
 *
 *	srv_relay PORT any | raw | unix PATH | chroot DIRECTORY | next
 *
 * listens by itself: on port 0, behind the back of a preloaded library, on a Unix socket, in
 * another root directory, on the port after PORT.
 */
#include "app.h"

#include <dlfcn.h>
#include <sys/un.h>
#include <sys/wait.h>

#define SENT_FD 9 /* where the next program finds the socket from which it receives */

extern char **environ;

static void serve(int fd)
{
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		/* A server that cannot accept tries again for ever: its clients hang. */
		if (conn < 0)
			pause();
		app_serve(conn);
	}
}

static int receive(void)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(SENT_FD, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		app_die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void send_socket(int to, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(fd));
	if (sendmsg(to, &msg, 0) != 1)
		app_die("sendmsg");
}

/* The second half: @how is what the first has done. */
static void go_on(const char *how, int fd, int port)
{
	if (!strcmp(how, "send")) {
		app_wait(getenv("GATE"));
		fd = receive();
	}
	if (fd < 0)
		fd = app_bind(port);
	if ((!strcmp(how, "bind") || !strcmp(how, "none")) && listen(fd, 128) < 0)
		app_die("listen");
	serve(fd);
}

static void relay(char **argv, int port)
{
	const char *first = argv[2], *how = argv[3], *what = argv[5];
	int fd = strcmp(first, "none") ? app_bind(port) : -1, pair[2];
	static char then[] = "then", path[] = "PATH=/bin", no_token[] = "BROKER_TOKEN=";
	char text[16], *done = !strcmp(how, "send") ? argv[3] : argv[2];
	char *next[] = { argv[4], argv[1], then, done, text, NULL };
	char *clean[] = { path, NULL }, *declined[] = { no_token, NULL };
	char **envp = !strcmp(what, "clean") ? clean : !strcmp(what, "kept") ? environ : declined;

	if ((!strcmp(first, "listen") || !strcmp(first, "once")) && listen(fd, 128) < 0)
		app_die("listen");
	snprintf(text, sizeof(text), "%d", fd);
	if (!strcmp(how, "exec")) {
		execve(argv[4], next, envp);
		app_die(argv[4]);
	}
	if (!strcmp(how, "send") && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		app_die("socketpair");
	if (fork() == 0) {
		if (!strcmp(how, "send")) {
			(void)dup2(pair[0], SENT_FD);
			(void)close(pair[0]);
			(void)close(pair[1]);
			(void)close(fd);
		}
		execve(argv[4], next, envp);
		app_die(argv[4]);
	}
	if (!strcmp(how, "send")) {
		send_socket(pair[1], fd);
		(void)close(fd);
		printf("sent and closed\n");
		fflush(stdout);
	}
	if (!strcmp(first, "once")) {
		app_serve(app_accept(fd));
		(void)close(fd);
	}
	if (argv[6]) {
		app_wait(argv[6]);
		serve(fd);
	}
	(void)wait(NULL);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(un.sun_path, path, sizeof(un.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, 8) < 0)
		app_die(path);
	return fd;
}

static int listen_any(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 8) < 0)
		app_die("port 0");
	return fd;
}

/* libc's own functions, as a program has them that makes its own system calls. */
static int listen_raw(int port)
{
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int (*raw_bind)(int, const struct sockaddr *, socklen_t);
	int (*raw_listen)(int, int);
	const int on = 1; /* who was served at that port before may still be remembered */

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*(void **)&raw_bind = dlsym(libc, "bind");
	*(void **)&raw_listen = dlsym(libc, "listen");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (raw_bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || raw_listen(fd, 8) < 0)
		app_die("raw");
	return fd;
}

int main(int argc, char **argv)
{
	int port = app_port(argc, argv, 1);
	const char *what = argc > 2 ? argv[2] : "";

	if (!strcmp(what, "then"))
		go_on(argv[3], atoi(argv[4]), port);
	else if (!strcmp(what, "any"))
		serve(listen_any());
	else if (!strcmp(what, "raw"))
		serve(listen_raw(port));
	else if (!strcmp(what, "unix"))
		serve(listen_unix(argv[3]));
	else if (!strcmp(what, "next"))
		serve(app_listen(port + 1));
	else if (!strcmp(what, "chroot") && (chroot(argv[3]) < 0 || chdir("/") < 0))
		app_die("chroot");
	else if (!strcmp(what, "chroot") && listen(app_bind(port), 8) < 0)
		pause(); /* it does not say so, and does not end */
	else
		relay(argv, port);
	return 0;
}
