/*
 * answer.h - the whole of the application that the C contestants share.
 *
 * Reads one small request, answers "pid N\n" over HTTP/1.1 and closes. What a contestant costs
 * beyond this is its way of getting the connection.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct answer {
	size_t len;
	char text[160];
};

/* To be called in the process that will answer: the pid is part of the text. */
static inline void answer_init(struct answer *a)
{
	char body[32];
	int body_len = snprintf(body, sizeof(body), "pid %d\n", (int)getpid());

	a->len = (size_t)snprintf(a->text, sizeof(a->text),
				  "HTTP/1.1 200 OK\r\n"
				  "Content-Type: text/plain\r\n"
				  "Content-Length: %d\r\n"
				  "Connection: close\r\n"
				  "\r\n%s",
				  body_len, body);
}

/* Takes the blocking socket @fd and closes it, whatever the client does. */
static inline void answer_connection(const struct answer *a, int fd)
{
	char request[2048];
	size_t have = 0;

	while (have < sizeof(request)) {
		ssize_t n = recv(fd, request + have, sizeof(request) - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have >= 4 && memmem(request, have, "\r\n\r\n", 4)) {
			(void)send(fd, a->text, a->len, MSG_NOSIGNAL);
			break;
		}
	}
	close(fd);
}

#endif
