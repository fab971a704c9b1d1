/* Four threads, all blocked in accept() on the same socket. */
#include <pthread.h>
#include "app.h"

#define THREADS 4

static int listener;

static void *serve(void *unused)
{
	(void)unused;
	for (;;)
		app_serve(app_accept(listener));
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	listener = app_listen(app_port(argc, argv, 1));
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, serve, NULL))
			app_die("pthread_create");
	serve(NULL);
}
