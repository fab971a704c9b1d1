/*
 * worker - a small HTTP server that is a worker by itself, with libhandoff: see handoff(3).
 *
 *	cc worker.c $(pkg-config --cflags --libs handoff) -o worker
 *
 *	[service:web]
 *	mode = native
 *	command = ./worker 127.0.0.1:3000
 */
#include <err.h>
#include <errno.h>
#include <handoff.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void serve(int fd)
{
	char request[4096], id[64] = "none", answer[256];
	ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

	if (n <= 0)
		return;
	request[n] = '\0';
	(void)sscanf(request, "GET /?id=%63[^ &]", id);
	snprintf(answer, sizeof(answer), "HTTP/1.0 200 OK\r\n\r\npid=%d id=%s\n", (int)getpid(),
		 id);
	(void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	char reason[HANDOFF_REASON_MAX];
	struct handoff *h;

	if (handoff_open(argc > 1 ? argv[1] : NULL, &h, reason) < 0)
		errx(1, "%s", reason);
	for (;;) {
		int fd = handoff_next(h, HANDOFF_WAIT, NULL);

		if (fd >= 0) {
			serve(fd);
			close(fd);
		} else if (fd != -EAGAIN && fd != -EINTR) {
			errx(1, "handoff_next: %s", strerror(-fd));
		}
	}
}
