/*
 * Two threads that block in accept and, for SIGTERM, a main thread that wakes them as such servers
 * do: it connects to its own port, once for each of them, and waits for their end.
 */
#include <pthread.h>
#include "app.h"

#define THREADS 2

static int listener, port;
static volatile bool stopping;

static void *serve(void *arg)
{
	(void)arg;
	for (;;) {
		int conn = app_accept(listener);

		if (stopping)
			return NULL;
		app_serve(conn);
	}
}

static void wake_one(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	(void)close(fd);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	sigset_t set;
	int sig;

	port = app_port(argc, argv, 1);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	listener = app_listen(port);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
			app_die("pthread_create");
	(void)sigwait(&set, &sig);
	stopping = true;
	for (int i = 0; i < THREADS; i++)
		wake_one();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
