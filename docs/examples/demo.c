/*
 * demo - a small HTTP server as anybody would write it: socket, bind, listen, accept.
 *
 * It listens on port 3000 (or $PORT) and answers every request with its process id, how many
 * requests it has served, and the address of the client. One process, one thread, one request
 * at a time: it knows nothing of other processes, restarts or brokers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DEFAULT_PORT   3000
#define CLIENT_SECONDS 5 /* a silent client must not keep the others waiting for ever */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
		die("setsockopt");
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (listen(fd, 128) < 0)
		die("listen");
	return fd;
}

/* Reads up to the empty line that ends a request. Returns 0, or -1 if the client has gone. */
static int read_request(int fd)
{
	char request[4096];
	size_t len = 0;

	while (len < sizeof(request) - 1) {
		ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);

		if (n <= 0)
			return -1;
		len += (size_t)n;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n"))
			return 0;
	}
	return -1; /* more than any request that this server could want */
}

static void answer(int fd, const struct sockaddr_in *peer, unsigned long count)
{
	char address[INET_ADDRSTRLEN], body[256], head[128];

	inet_ntop(AF_INET, &peer->sin_addr, address, sizeof(address));
	snprintf(body, sizeof(body), "pid %d, request %lu, you are %s port %d\n", (int)getpid(),
		 count, address, ntohs(peer->sin_port));
	snprintf(head, sizeof(head),
		 "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
		 strlen(body));

	/* Two short pieces into an empty socket buffer: neither can block or be cut. */
	if (send(fd, head, strlen(head), MSG_MORE) < 0 || send(fd, body, strlen(body), 0) < 0)
		perror("send");
}

int main(void)
{
	const char *port = getenv("PORT");
	int listener = listen_on(port ? atoi(port) : DEFAULT_PORT);
	struct timeval patience = { .tv_sec = CLIENT_SECONDS };

	signal(SIGPIPE, SIG_IGN);
	printf("listening on port %s\n", port ? port : "3000");
	fflush(stdout);

	for (unsigned long count = 0;;) {
		struct sockaddr_in peer = { .sin_family = AF_INET };
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &len);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			die("accept");
		}
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (read_request(fd) == 0)
			answer(fd, &peer, ++count);
		close(fd);
	}
}
