/*
 * load - a client that keeps N connections in flight and measures each from connect to answer.
 *
 *	load [-r RATE] [-s MS] PORT IN_FLIGHT SECONDS [CONNECTIONS]
 *
 * With -r it begins RATE connections each second, however slow the answers are, up to IN_FLIGHT at
 * a time. Latency then counts from the time at which a connection was due, also if it could only
 * be begun later: what nobody could send while the server stood still has waited, too.
 *
 * With -s it also gives the worst latency, and the errors, of each MS in which connections were
 *due.
 *
 * Every connection is a fresh one to 127.0.0.1:PORT with one request. The answer is checked whole
 * (status, length, "pid N\n" and nothing after it), then the client waits for the server to close:
 * a descriptor that somebody forgot to close shows as a time-out, and every server does the same
 * work for a connection. Latency is the time from before connect() to the last byte of the answer.
 *
 * The server closes first, and the client closes with a reset (SO_LINGER 0). So neither end stays
 *in TIME_WAIT, where 60 s of connections would fill the tables and slow down whoever is measured
 *last. Source addresses go round 127.0.0.2 to .17, so that no server is measured while the kernel
 * searches for a free port either.
 *
 * Stops after SECONDS or CONNECTIONS or ERRORS_MAX errors or SIGTERM, whichever is first, and
 *writes one JSON object. Exit code: 0 every answer was right, 1 some were not, 2 usage, 3 cannot
 *run.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "histogram.h"

#define NSEC_PER_SEC   1000000000ull
#define IN_FLIGHT_MAX  4096
#define SECONDS_MAX    600
#define ERRORS_MAX     1000
#define TIMEOUT_NS     (5 * NSEC_PER_SEC) /* of one connection */
#define SOURCE_FIRST   2		  /* 127.0.0.2 */
#define SOURCE_COUNT   16
#define RESPONDERS_MAX 2048
#define SERIES_MAX     10000

enum failure { FAIL_CONNECT, FAIL_SEND, FAIL_RESET, FAIL_SHORT, FAIL_WRONG, FAIL_TIMEOUT, FAIL_N };

static const char *const failure_names[FAIL_N] = {
	[FAIL_CONNECT] = "connect", /* refused, unreachable, no port */
	[FAIL_SEND] = "send",
	[FAIL_RESET] = "reset",	    /* by the server, before the answer was whole */
	[FAIL_SHORT] = "short",	    /* closed before the answer was whole */
	[FAIL_WRONG] = "wrong",	    /* whole, but not the answer */
	[FAIL_TIMEOUT] = "timeout", /* no answer, or no close after it */
};

struct slot {
	int fd; /* -1: free */
	bool sent, answered;
	uint64_t start_ns;
	size_t have;
	char answer[512];
};

struct responder {
	long pid;
	uint64_t count;
};

/* What became of the connections that were due in one interval. */
struct interval {
	uint64_t max_ns;
	unsigned errors;
};

struct load {
	struct sockaddr_in server;
	int epoll, timer;
	uint64_t begin_ns, due_ns, period_ns; /* period_ns 0: the next is due when there is room */
	uint64_t interval_ns;		      /* of the series; 0: none is wanted */
	struct interval series[SERIES_MAX];
	unsigned in_flight, active;
	uint64_t started, finished, limit, failed[FAIL_N], failed_total;
	struct responder responders[RESPONDERS_MAX];
	struct histogram latency;
};

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
static struct slot slots[IN_FLIGHT_MAX];
static struct load load;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void slot_close(struct slot *s)
{
	close(s->fd); /* which also takes it out of the epoll set: nobody else has a copy */
	s->fd = -1;
	load.active--;
}

static struct interval *interval_of(const struct slot *s)
{
	uint64_t i = load.interval_ns ? (s->start_ns - load.begin_ns) / load.interval_ns : 0;

	return &load.series[i < SERIES_MAX ? i : SERIES_MAX - 1];
}

static void slot_fail(struct slot *s, enum failure why)
{
	load.failed[why]++;
	load.failed_total++;
	interval_of(s)->errors++;
	slot_close(s);
}

static void slot_measured(const struct slot *s)
{
	uint64_t ns = now() - s->start_ns;
	struct interval *in = interval_of(s);

	histogram_add(&load.latency, ns);
	if (ns > in->max_ns)
		in->max_ns = ns;
}

/* Sends the request if the connection is there, else leaves it to the next EPOLLOUT. */
static void slot_send(struct slot *s)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	ssize_t n = send(s->fd, request, sizeof(request) - 1, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n != (ssize_t)sizeof(request) - 1) {
		slot_fail(s, n < 0 && errno == ECONNREFUSED ? FAIL_CONNECT : FAIL_SEND);
		return;
	}
	s->sent = true;
	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		slot_fail(s, FAIL_SEND);
}

static void slot_start(struct slot *s)
{
	struct sockaddr_in source = { .sin_family = AF_INET };
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = s };
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int one = 1;

	source.sin_addr.s_addr =
		htonl(INADDR_LOOPBACK - 1 + SOURCE_FIRST + (uint32_t)(load.started % SOURCE_COUNT));
	load.started++;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		load.failed[FAIL_CONNECT]++;
		load.failed_total++;
		load.due_ns += load.period_ns;
		return;
	}
	load.active++;
	s->sent = s->answered = false;
	s->have = 0;
	s->start_ns = load.period_ns ? load.due_ns : now();
	load.due_ns += load.period_ns;
	/* NO_PORT: the port is chosen by connect(), which needs it to be free for this pair only.
	 */
	if (setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0 ||
	    bind(s->fd, (struct sockaddr *)&source, sizeof(source)) < 0 ||
	    (connect(s->fd, (struct sockaddr *)&load.server, sizeof(load.server)) < 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0) {
		slot_fail(s, FAIL_CONNECT);
		return;
	}
	slot_send(s); /* over loopback the handshake is over by now */
}

static void count_responder(long pid)
{
	for (unsigned i = 0; i < RESPONDERS_MAX; i++) {
		if (!load.responders[i].count)
			load.responders[i].pid = pid;
		if (load.responders[i].pid == pid) {
			load.responders[i].count++;
			return;
		}
	}
}

/* 1: whole and right, 0: more must come, -1: wrong. */
static int answer_check(const struct slot *s, long *ret_pid)
{
	const char *end = memmem(s->answer, s->have, "\r\n\r\n", 4), *length;
	char *rest;
	size_t head, body;
	long pid;

	if (!end)
		return 0;
	head = (size_t)(end - s->answer) + 4;
	length = strcasestr(s->answer, "\r\ncontent-length:");
	if (strncmp(s->answer, "HTTP/1.1 200 ", 13) != 0 || !length || length > end)
		return -1;
	body = strtoul(length + 17, NULL, 10);
	if (s->have < head + body)
		return 0;
	if (s->have > head + body || body < 6 || strncmp(s->answer + head, "pid ", 4) != 0)
		return -1;
	pid = strtol(s->answer + head + 4, &rest, 10);
	if (pid <= 0 || rest != s->answer + head + body - 1 || *rest != '\n')
		return -1;
	*ret_pid = pid;
	return 1;
}

static void slot_read(struct slot *s)
{
	for (;;) {
		size_t room = sizeof(s->answer) - 1 - s->have;
		ssize_t n = room ? recv(s->fd, s->answer + s->have, room, 0) : 1;
		long pid;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			slot_fail(s, errno == ECONNREFUSED ? FAIL_CONNECT : FAIL_RESET);
			return;
		}
		if (n == 0 && s->answered) {
			load.finished++;
			slot_close(s);
			return;
		}
		if (n == 0) {
			slot_fail(s, FAIL_SHORT);
			return;
		}
		if (!room || s->answered) {
			slot_fail(s, FAIL_WRONG); /* more than the answer */
			return;
		}
		s->have += (size_t)n;
		s->answer[s->have] = '\0';
		switch (answer_check(s, &pid)) {
		case 1:
			slot_measured(s);
			count_responder(pid);
			s->answered = true;
			break;
		case -1:
			slot_fail(s, FAIL_WRONG);
			return;
		}
	}
}

static void expire(uint64_t time_ns)
{
	for (unsigned i = 0; i < load.in_flight; i++)
		if (slots[i].fd >= 0 && slots[i].start_ns + TIMEOUT_NS < time_ns)
			slot_fail(&slots[i], FAIL_TIMEOUT);
}

/* Whether another connection is to be begun at @time_ns. */
static bool is_due(uint64_t time_ns)
{
	return load.active < load.in_flight && load.started < load.limit &&
	       (!load.period_ns || load.due_ns <= time_ns);
}

static void start_due(uint64_t time_ns)
{
	/* Only a finished or failed connection makes room, so this scan is short work. */
	for (unsigned i = 0; i < load.in_flight && is_due(time_ns); i++)
		if (slots[i].fd < 0)
			slot_start(&slots[i]);
}

static void timer_ready(void)
{
	uint64_t n;

	(void)!read(load.timer, &n, sizeof(n));
}

static volatile sig_atomic_t told_to_end;

static void end(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static void run(uint64_t start_ns, uint64_t end_ns)
{
	struct epoll_event events[256];
	uint64_t swept = start_ns;

	for (unsigned i = 0; i < load.in_flight; i++)
		slots[i].fd = -1;
	for (;;) {
		uint64_t time_ns = now();
		bool more = time_ns < end_ns && load.failed_total < ERRORS_MAX && !told_to_end;
		int n;

		if (more)
			start_due(time_ns);
		if (!load.active && (!more || load.started >= load.limit))
			return;
		n = epoll_wait(load.epoll, events, 256, 100);
		for (int i = 0; i < n; i++) {
			struct slot *s = events[i].data.ptr;

			if (!s)
				timer_ready();
			else if (s->sent)
				slot_read(s);
			else
				slot_send(s);
		}
		if (time_ns - swept > NSEC_PER_SEC / 4) {
			expire(time_ns);
			swept = time_ns;
		}
	}
}

static double quantile_us(unsigned per_mille)
{
	return (double)histogram_quantile(&load.latency, per_mille) / 1000;
}

static void report(double seconds)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"in_flight\": %u, \"connections\": %llu, \"seconds\": %.6f, \"per_second\": %.1f",
	       load.in_flight, (unsigned long long)load.finished, seconds,
	       (double)load.finished / seconds);
	printf(", \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, "
	       "\"max_us\": %.2f",
	       quantile_us(500), quantile_us(900), quantile_us(990), quantile_us(999),
	       (double)load.latency.max / 1000);
	printf(", \"client_cpu_s\": %.6f",
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	printf(", \"errors\": %llu, \"errors_by_kind\": {", (unsigned long long)load.failed_total);
	for (int i = 0; i < FAIL_N; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", failure_names[i],
		       (unsigned long long)load.failed[i]);
	printf("}, \"answered_by\": {");
	for (int i = 0; i < RESPONDERS_MAX && load.responders[i].count; i++)
		printf("%s\"%ld\": %llu", i ? ", " : "", load.responders[i].pid,
		       (unsigned long long)load.responders[i].count);
	printf("}");
	if (load.interval_ns) {
		uint64_t last = (uint64_t)(seconds * (double)NSEC_PER_SEC) / load.interval_ns;

		printf(", \"series\": [");
		for (uint64_t i = 0; i <= last && i < SERIES_MAX; i++)
			printf("%s[%.1f, %u]", i ? ", " : "", (double)load.series[i].max_ns / 1000,
			       load.series[i].errors);
		printf("]");
	}
	printf("}\n");
}

/* Wakes us each time that a connection is due. */
static bool open_timer(double rate)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct itimerspec each = { 0 };

	load.period_ns = (uint64_t)((double)NSEC_PER_SEC / rate);
	each.it_value.tv_nsec = each.it_interval.tv_nsec = (long)load.period_ns;
	load.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	return load.timer >= 0 && timerfd_settime(load.timer, 0, &each, NULL) == 0 &&
	       epoll_ctl(load.epoll, EPOLL_CTL_ADD, load.timer, &ev) == 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: load [-r RATE] [-s MS] PORT IN_FLIGHT SECONDS [CONNECTIONS]\n");
	return 2;
}

int main(int argc, char **argv)
{
	double rate = 0, seconds;
	long port, in_flight;
	long long limit;
	int opt;

	while ((opt = getopt(argc, argv, "r:s:")) >= 0) {
		if (opt == 'r' && atof(optarg) >= 2)
			rate = atof(optarg);
		else if (opt == 's' && atof(optarg) > 0)
			load.interval_ns = (uint64_t)(atof(optarg) * 1e6);
		else
			return usage();
	}
	argc -= optind;
	argv += optind;
	if (argc < 3 || argc > 4)
		return usage();
	port = atol(argv[0]);
	in_flight = atol(argv[1]);
	seconds = atof(argv[2]);
	limit = argc > 3 ? atoll(argv[3]) : 1000000000;
	if (port < 1 || port > 65535 || in_flight < 1 || in_flight > IN_FLIGHT_MAX ||
	    !(seconds > 0 && seconds <= SECONDS_MAX) || limit < 1)
		return usage();
	load.server.sin_family = AF_INET;
	load.server.sin_port = htons((uint16_t)port);
	load.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load.in_flight = (unsigned)in_flight;
	load.limit = (uint64_t)limit;
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load.epoll < 0 || (rate > 0 && !open_timer(rate))) {
		perror("load");
		return 3;
	}

	(void)signal(SIGTERM, end);
	load.begin_ns = load.due_ns = now();
	run(load.begin_ns, load.begin_ns + (uint64_t)(seconds * (double)NSEC_PER_SEC));
	report((double)(now() - load.begin_ns) / (double)NSEC_PER_SEC);
	return load.failed_total ? 1 : 0;
}
