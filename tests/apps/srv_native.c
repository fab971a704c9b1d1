/*
 * Built with libhandoff: one thread, poll(2) over its channel and all connections. SIGUSR1: it
 * leaves; SIGUSR2: it says that it is as busy as 100 connections would make it. It writes a line
 * when it begins to drain, and for each client where it came from.
 */
#include "app.h"

#include <handoff.h>

static struct app_conn conns[APP_CONNS]; /* conns[i] belongs to pfd[i + 1] */
static volatile sig_atomic_t leaves, is_busy;

static void told(int sig)
{
	if (sig == SIGUSR1)
		leaves = 1;
	else
		is_busy = 1;
}

static void do_as_told(struct handoff *h, struct pollfd *channel)
{
	if (is_busy) {
		handoff_set_load(h, 100);
		puts("busy");
	}
	if (leaves) {
		channel->fd = -1;
		printf("left %d\n", handoff_leave(h));
	}
	leaves = is_busy = 0;
}

static void take(struct handoff *h, struct pollfd *pfd)
{
	struct handoff_client client;
	char host[INET6_ADDRSTRLEN] = "";
	int i = 0, fd;

	while (i < APP_CONNS && pfd[i + 1].fd >= 0)
		i++;
	if (i == APP_CONNS)
		return;
	fd = handoff_next(h, 0, &client);
	if (fd < 0) {
		if (fd != -EAGAIN && fd != -EMFILE)
			printf("failed %d\n", fd);
		return;
	}
	(void)inet_ntop(AF_INET, &((struct sockaddr_in *)&client.addr)->sin_addr, host,
			sizeof(host));
	if (getenv("SHOW_CLIENTS"))
		printf("client %s:%d listener %s\n", host,
		       ntohs(((struct sockaddr_in *)&client.addr)->sin_port),
		       client.listener ? "yes" : "no");
	conns[i].fd = pfd[i + 1].fd = fd;
	pfd[i + 1].events = POLLIN;
}

/* More than its limit of descriptors, poll(2) takes none. */
static nfds_t count(const struct pollfd *pfd)
{
	nfds_t n = APP_CONNS + 1;

	while (n > 1 && pfd[n - 1].fd < 0)
		n--;
	return n;
}

int main(int argc, char **argv)
{
	static struct pollfd pfd[APP_CONNS + 1];
	char reason[HANDOFF_REASON_MAX];
	struct handoff *h;
	int drains = 0, r = handoff_open(argc > 1 ? argv[1] : NULL, &h, reason);

	setlinebuf(stdout);
	app_pid = getpid();
	if (r < 0) {
		printf("error %d: %s\n", -r, reason);
		return 1;
	}
	signal(SIGUSR1, told);
	signal(SIGUSR2, told);
	pfd[0].fd = handoff_fd(h);
	pfd[0].events = POLLIN;
	for (int i = 0; i < APP_CONNS; i++)
		pfd[i + 1].fd = -1;

	for (;;) {
		do_as_told(h, pfd);
		if (poll(pfd, count(pfd), -1) < 0) {
			if (errno == EINTR)
				continue;
			app_die("poll");
		}
		for (int i = 0; i < APP_CONNS; i++)
			if (pfd[i + 1].fd >= 0 && pfd[i + 1].revents && !app_serve_some(&conns[i]))
				pfd[i + 1].fd = -1;
		if (pfd[0].revents)
			take(h, pfd);
		if (handoff_is_draining(h) != drains) {
			drains = !drains;
			puts(drains ? "drains" : "drains no more");
		}
	}
}
