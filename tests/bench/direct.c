/*
 * direct - a small server that knows nothing of any broker: socket, bind, listen, accept.
 *
 *	direct PORT
 *
 * One process, one thread, one connection at a time on 127.0.0.1:PORT (0: any). It says
 * "listening PORT" when it is. Run by itself it is what a single process can do on this machine;
 * started by the broker it is the worker.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "answer.h"

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t addr_len = sizeof(addr);
	struct answer answer;
	int one = 1, listener;

	if (argc != 2) {
		fprintf(stderr, "usage: direct PORT\n");
		return 2;
	}
	addr.sin_port = htons((unsigned short)atoi(argv[1]));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 1024) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &addr_len) < 0) {
		perror("direct");
		return 1;
	}
	answer_init(&answer);
	printf("listening %d\n", ntohs(addr.sin_port));
	fflush(stdout);

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			answer_connection(&answer, fd);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			perror("direct: accept");
			return 1;
		}
	}
}
