/*
 * Answers a client that asks, and holds one that does not, any number of them; and then a lot to
 * look at:
 *
 *	srv_holds PORT [CHILDREN DESCRIPTORS]
 *
 * So many children, each with so many descriptors; of its first generation only. With HOLDS_ANSWER
 * in its environment it answers as tests/bench/load wants.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include "app.h"

/* They do not know the listening socket. */
static void have_children(int n, int descriptors)
{
	const char *generation = getenv("BROKER_GENERATION");
	int alive[2];
	char byte;

	if (generation && strcmp(generation, "1"))
		return;
	if (pipe(alive) < 0)
		app_die("pipe");
	while (n-- > 0)
		if (fork() == 0) {
			close(alive[1]);
			signal(SIGTERM, SIG_IGN);
			for (int i = 0; i < descriptors; i++)
				(void)!dup(alive[0]);
			while (read(alive[0], &byte, 1) < 0)
				continue;
			_exit(0);
		}
}

static void answer(int fd)
{
	char asked[4096], body[256], text[512];
	ssize_t n = recv(fd, asked, sizeof(asked) - 1, 0);
	const char *id = NULL;

	if (n > 0) {
		asked[n] = '\0';
		id = strstr(asked, "id=");
		if (getenv("HOLDS_ANSWER"))
			snprintf(body, sizeof(body), "pid %d\n", (int)getpid());
		else
			snprintf(body, sizeof(body), "pid=%d id=%.*s\n", (int)getpid(),
				 id ? (int)strcspn(id + 3, " ") : 4, id ? id + 3 : "none");
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN }, events[64];
	struct rlimit limit;
	int epoll, listener, fd;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (argc > 3)
		have_children(atoi(argv[2]), atoi(argv[3]));
	listener = app_listen(app_port(argc, argv, 1));
	(void)fcntl(listener, F_SETFL, O_NONBLOCK);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	event.data.fd = listener;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		app_die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listener) {
				answer(events[i].data.fd);
				continue;
			}
			while ((fd = accept(listener, NULL, NULL)) >= 0) {
				event.data.fd = fd;
				(void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
			}
		}
	}
}
