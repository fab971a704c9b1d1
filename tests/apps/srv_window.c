/*
 * A server that can be caught between poll(2) and a blocking accept(2): once it has seen SIGUSR1
 * it waits there for SIGUSR2, whatever else it is told. Says on its output where it is.
 */
#include <poll.h>
#include <signal.h>

#include "app.h"

static volatile sig_atomic_t waits, ends;

static void seen(int sig)
{
	if (sig == SIGTERM)
		ends = 1;
	else
		waits = sig == SIGUSR1;
}

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLIN };

	setvbuf(stdout, NULL, _IONBF, 0);
	/* Before it is known to listen: whoever sees that may send one. */
	(void)signal(SIGUSR1, seen);
	(void)signal(SIGUSR2, seen);
	(void)signal(SIGTERM, seen);
	p.fd = app_listen(app_port(argc, argv, 1));
	while (!ends) {
		int fd;

		if (poll(&p, 1, -1) < 1)
			continue;
		if (waits)
			puts("polled");
		while (waits)
			(void)poll(NULL, 0, 10);
		fd = accept(p.fd, NULL, NULL);
		if (fd >= 0)
			app_serve(fd);
		else
			puts(errno == ECONNABORTED ? "aborted" : "failed");
	}
}
