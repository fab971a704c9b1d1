/*
 * accepting PORT N: accepts N connections, and says as JSON what an accept took that found one, in
 * ns: the median and the tenth percentiles; and the memory of its own, in KiB. Then it waits.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	return (*(const long *)a > *(const long *)b) - (*(const long *)a < *(const long *)b);
}

static long anonymous_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "RssAnon: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = argc == 3 ? atoi(argv[2]) : 0, done = 0;
	long *took = calloc((size_t)n + 1, sizeof(*took));

	in.sin_port = htons((uint16_t)(n ? atoi(argv[1]) : 0));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (n < 10 || !took || bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 4096))
		return 1;
	while (done < n) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		long before = now_ns();
		int conn =
			accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		took[done] = now_ns() - before;
		if (conn < 0) {
			poll(&p, 1, -1);
			continue;
		}
		close(conn);
		done++;
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	printf("{\"p10\":%ld,\"p50\":%ld,\"p90\":%ld,\"anonymous_kb\":%ld}\n", took[n / 10],
	       took[n / 2], took[n - n / 10], anonymous_kb());
	fflush(stdout);
	for (;;)
		pause();
}
