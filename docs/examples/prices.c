/*
 * prices - a small HTTP server with three mistakes, as they are found in real ones: see
 * docs/debugging.md, which finds them while it serves.
 *
 * It listens on port 3000 (or $PORT) and answers GET /price?item=NAME with a price. One process,
 * one thread, one request at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct price {
	const char *item;
	unsigned cents;
} prices[] = { { "tea", 320 }, { "coffee", 410 }, { "earl grey", 350 }, { "100% juice", 290 } };

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
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("bind");
	if (listen(fd, 128) < 0)
		die("listen");
	return fd;
}

/* Turns %20 and its like into what they stand for. */
static void decode(char *text)
{
	const char *in = text;
	char *out = text;
	unsigned byte;

	while (*in) {
		if (*in != '%') {
			*out++ = *in++;
		} else if (sscanf(in + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			in += 3;
		}
	}
	*out = '\0';
}

static unsigned price_of(const char *request)
{
	const char *begin = strstr(request, "item=") + strlen("item=");
	char *item = strndup(begin, strcspn(begin, "& \r\n"));
	unsigned cents = 0;

	if (!item)
		die("strndup");
	decode(item);
	for (size_t i = 0; i < sizeof(prices) / sizeof(*prices); i++)
		if (!strcmp(prices[i].item, item))
			cents = prices[i].cents;
	free(item);
	return cents;
}

static void serve(int fd)
{
	char request[4096], answer[256];
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);
	unsigned cents;

	if (n <= 0)
		return;
	request[n] = '\0';
	cents = price_of(request);
	n = snprintf(answer, sizeof(answer),
		     "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n%u.%02u\n", cents / 100,
		     cents % 100);
	if (send(fd, answer, (size_t)n, 0) < 0)
		perror("send");
}

int main(void)
{
	const char *port = getenv("PORT");
	int listener = listen_on(port ? atoi(port) : 3000);

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			die("accept");
		}
		serve(fd);
		close(fd);
	}
}
