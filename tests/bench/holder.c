/*
 * holder - an app of one thread that tells how much of the processor its accepts took: for
 *`moving`.
 *
 *	holder PORT
 *
 * It answers each request on connections that stay open. At SIGTERM it prints one line of JSON: the
 * accepts that took a connection, the longest one that did not, and the sum of all of these.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	unsigned long taken, others;
	uint64_t taken_ns, others_ns, longest_ns;
} told;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void watch(int set, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) < 0)
		exit(1);
}

static void accept_one(int set, int listener)
{
	uint64_t began = now_ns(), took;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	took = now_ns() - began;
	if (fd >= 0) {
		told.taken++;
		told.taken_ns += took;
		watch(set, fd);
		return;
	}
	told.others++;
	told.others_ns += took;
	if (took > told.longest_ns)
		told.longest_ns = took;
}

static void answer(int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	char request[4096];

	if (recv(fd, request, sizeof(request), 0) <= 0 ||
	    send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) < 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int set = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct rlimit files;
	sigset_t term;
	int ended;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ended = signalfd(-1, &term, 0);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	in.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(listener, 1024) < 0)
		return 1;
	watch(set, listener);
	watch(set, ended);
	for (;;) {
		struct epoll_event ev[64];
		int n = epoll_wait(set, ev, 64, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == listener)
				accept_one(set, listener);
			else if (ev[i].data.fd != ended)
				answer(ev[i].data.fd);
			else {
				printf("{\"taken\":%lu,\"taken_us\":%.1f,\"others\":%lu,"
				       "\"others_us\":%.1f,\"longest_us\":%.1f}\n",
				       told.taken, (double)told.taken_ns / 1e3, told.others,
				       (double)told.others_ns / 1e3, (double)told.longest_ns / 1e3);
				return 0;
			}
		}
	}
}
