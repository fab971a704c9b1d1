/*
 * shim_serve MODE PORT - servers that accept in several places at once.
 *
 *	threads   four threads block in accept() on one socket
 *	prefork   four children do, and the parent closes its copy
 *	forkeach  one child per connection
 *
 * Every connection is answered with "PID NUMBER\n", where NUMBER is the thread or child.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 4

static int listener;

static void answer(int conn, long number)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %ld\n", (int)getpid(), number);

	if (write(conn, text, (size_t)n) != n)
		perror("write");
	close(conn);
}

static void *serve(void *arg)
{
	for (;;) {
		int conn = accept(listener, NULL, NULL);

		if (conn < 0) {
			perror("accept");
			return NULL;
		}
		answer(conn, (long)arg);
	}
}

static void serve_threads(void)
{
	pthread_t threads[MANY];

	for (long i = 0; i < MANY; i++)
		if (pthread_create(&threads[i], NULL, serve, (void *)i) != 0)
			exit(1);
	for (int i = 0; i < MANY; i++)
		pthread_join(threads[i], NULL);
}

static void serve_prefork(void)
{
	pid_t parent = getpid();

	for (long i = 0; i < MANY; i++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(0); /* it died before it could be said so */
			serve((void *)i);
			_exit(0);
		}
	}
	close(listener);
	while (wait(NULL) > 0)
		continue;
}

static void serve_forkeach(void)
{
	for (long i = 0;; i++) {
		int conn = accept(listener, NULL, NULL);

		if (conn < 0) {
			perror("accept");
			return;
		}
		if (fork() == 0) {
			close(listener);
			answer(conn, i);
			_exit(0);
		}
		close(conn);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	if (argc != 3)
		return 2;
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 16) < 0) {
		perror("listen");
		return 1;
	}
	if (!strcmp(argv[1], "threads"))
		serve_threads();
	else if (!strcmp(argv[1], "prefork"))
		serve_prefork();
	else
		serve_forkeach();
	return 0;
}
