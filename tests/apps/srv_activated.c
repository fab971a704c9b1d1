/*
 * Started with its listeners, as sd_listen_fds(3), Einhorn or Server::Starter describe it, and does
 * by hand what libsystemd does: sd_listen_fds_with_names() and sd_is_socket().
 *
 *	srv_activated CONVENTION [fork | slow FIFO]
 *
 *	GET /sockets	a line for each listener: NAME ADDRESS, and what it says of itself
 *	other		as app.h
 */
#include "app.h"

#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FIRST 3
#define MAX   16

static char names[MAX][64];
static int fds[MAX], n_fds;

static const char *need(const char *name)
{
	const char *value = getenv(name);

	if (!value) {
		fprintf(stderr, "%s is not set\n", name);
		exit(3);
	}
	return value;
}

static void find_systemd(void)
{
	const char *list;

	if (atoi(need("LISTEN_PID")) != (int)getpid()) {
		fprintf(stderr, "LISTEN_PID %s is not %d\n", need("LISTEN_PID"), (int)getpid());
		exit(3);
	}
	n_fds = atoi(need("LISTEN_FDS"));
	list = need("LISTEN_FDNAMES");
	for (int i = 0; i < n_fds && i < MAX; i++) {
		fds[i] = FIRST + i;
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			app_die("FD_CLOEXEC");
		snprintf(names[i], sizeof(names[i]), "%.*s", (int)strcspn(list, ":"), list);
		list += strcspn(list, ":");
		list += *list == ':';
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void find_einhorn(void)
{
	if (atoi(need("EINHORN_MASTER_PID")) != (int)getppid())
		app_die("EINHORN_MASTER_PID is not the parent");
	n_fds = atoi(need("EINHORN_FD_COUNT"));
	for (int i = 0; i < n_fds && i < MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "EINHORN_FD_%d", i);
		fds[i] = atoi(need(name));
		snprintf(name, sizeof(name), "EINHORN_FD_FAMILY_%d", i);
		snprintf(names[i], sizeof(names[i]), "%s", need(name));
	}
}

static void find_server_starter(void)
{
	const char *at = need("SERVER_STARTER_PORT");

	if (atoi(need("SERVER_STARTER_GENERATION")) < 1)
		app_die("SERVER_STARTER_GENERATION");
	for (; *at && n_fds < MAX; n_fds++) {
		if (sscanf(at, "%63[^=]=%d", names[n_fds], &fds[n_fds]) != 2)
			app_die("SERVER_STARTER_PORT");
		at += strcspn(at, ";");
		at += *at == ';';
	}
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) < 0)
		return -errno;
	return value;
}

/* As sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) looks at it. */
static void must_be_listener(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) ||
	    option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
		fprintf(stderr, "descriptor %d is no listening socket\n", fd);
		exit(4);
	}
}

static void describe(char *body, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < n_fds; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		char host[INET6_ADDRSTRLEN] = "?";
		const struct sockaddr_in *in = (void *)&ss;
		const struct sockaddr_in6 *in6 = (void *)&ss;

		if (getsockname(fds[i], (struct sockaddr *)&ss, &len) < 0)
			app_die("getsockname");
		if (ss.ss_family == AF_INET6)
			inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		else if (ss.ss_family == AF_INET)
			inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		used += (size_t)snprintf(body + used, size - used,
					 "%s %s %d domain=%d protocol=%d v6only=%d\n", names[i],
					 host, ntohs(in->sin_port),
					 option(fds[i], SOL_SOCKET, SO_DOMAIN) == ss.ss_family,
					 option(fds[i], SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP,
					 option(fds[i], IPPROTO_IPV6, IPV6_V6ONLY) == 1);
	}
}

static void serve(int fd)
{
	char request[4096] = "", body[2048], answer[2560];

	if (recv(fd, request, sizeof(request) - 1, MSG_PEEK) > 0 &&
	    !strncmp(request, "GET /sockets", 12)) {
		describe(body, sizeof(body));
		(void)recv(fd, request, sizeof(request) - 1, 0);
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
			 strlen(body), body);
		app_write(fd, answer, strlen(answer));
		close(fd);
		return;
	}
	app_serve(fd);
}

static void loop(void)
{
	struct pollfd polls[MAX];

	for (int i = 0; i < n_fds; i++)
		polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	for (;;) {
		if (poll(polls, (nfds_t)n_fds, -1) < 0 && errno != EINTR)
			app_die("poll");
		for (int i = 0; i < n_fds; i++) {
			int fd = polls[i].revents ? app_accept_polled(fds[i]) : -1;

			if (fd >= 0)
				serve(fd);
		}
	}
}

int main(int argc, char **argv)
{
	const char *convention = argc > 1 ? argv[1] : "systemd";

	app_pid = getpid();
	if (!strcmp(convention, "einhorn"))
		find_einhorn();
	else if (!strcmp(convention, "server-starter"))
		find_server_starter();
	else
		find_systemd();
	if (n_fds < 1 || n_fds > MAX) {
		fprintf(stderr, "%d listeners\n", n_fds);
		return 3;
	}
	for (int i = 0; i < n_fds; i++) {
		must_be_listener(fds[i]);
		/* Several processes may poll it. */
		if (fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0)
			app_die("O_NONBLOCK");
	}
	if (argc > 3 && !strcmp(argv[2], "slow"))
		app_wait(argv[3]);
	if (argc > 2 && !strcmp(argv[2], "fork"))
		for (int i = 0; i < 2; i++)
			if (fork() == 0)
				loop();
	if (argc > 2 && !strcmp(argv[2], "fork"))
		for (;;)
			pause();
	loop();
}
