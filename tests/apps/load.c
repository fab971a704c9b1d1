/*
 * load - a strict load client: every connection must get exactly one right answer.
 *
 *	load [-a ADDRESS] [-c INFLIGHT] [-n TOTAL] [-k REQUESTS] [-m http|line] [-q PATH]
 *	     [-t REQUEST_MS] [-T RUN_SECONDS] PORT
 *
 * Keeps INFLIGHT connections going, each new one with a request whose id is used once:
 *
 *	http	GET PATH?id=ID must answer 200 with the body "pid=PID id=ID" and nothing more.
 *		-k sends up to REQUESTS over one connection; the last asks to close it.
 *	line	"ID\n" must answer "PID ID\n".
 *
 * A connection counts once its end of file was seen, so a second answer on it is never
 * overlooked. The run ends at TOTAL answers, at "stop" or end of file on standard input,
 * after RUN_SECONDS or after MAX_ERRORS errors. Commands on standard input, one a line:
 *
 *	status		one line of JSON now
 *	more N		one line of JSON once N more right answers have come
 *	stop		open no new connection, finish those in flight, end
 *
 * The last line is the summary ("event":"done"). The first few errors are described on
 * standard error. Exit status 0: nothing failed; 1: something did; 2: usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "load_answer.h"
#include "load_stats.h"

#define MAX_INFLIGHT 4096
#define MAX_ANSWERS  10000000
#define MAX_ERRORS   1000 /* a dead server must not turn the client into a busy loop */
#define TOLD_ERRORS  5
#define TICK_MS	     100

enum failure { REFUSED, RESET, TIMEOUT, CLOSED, SHORT, WRONG, DUPLICATE, OTHER, FAILURE_N };

static const char *const failure_names[FAILURE_N] = {
	[REFUSED] = "refused", /* nobody listens */
	[RESET] = "reset",     [TIMEOUT] = "timeout",
	[CLOSED] = "closed", /* end of file before the first byte */
	[SHORT] = "short",   /* end of file in the middle of an answer */
	[WRONG] = "wrong",     [DUPLICATE] = "duplicate", /* bytes after the answer */
	[OTHER] = "other", /* the client's own trouble: descriptors, ports */
};

enum conn_state { CONN_FREE, CONN_CONNECTING, CONN_WAITING, CONN_ANSWERED };

struct conn {
	enum conn_state state;
	int fd;
	uint64_t seq;	   /* of the request in progress */
	unsigned requests; /* sent on this connection */
	int64_t start_us, deadline_us;
	unsigned pid; /* in state ANSWERED: who answered */
	size_t len;
	char buf[4096];
};

static struct {
	const char *address, *path;
	unsigned port, inflight, requests;
	uint64_t total;
	int64_t request_us, run_us;
	bool line;
} opt = { .address = "127.0.0.1",
	  .path = "/",
	  .inflight = 32,
	  .requests = 1,
	  .request_us = 10 * 1000000,
	  .run_us = 120 * 1000000LL };

static struct conn conns[MAX_INFLIGHT];
static unsigned open_conns;
static int epoll_fd;
static bool stopping;
static uint64_t run_id, seq, connections, errors, failures[FAILURE_N], more_at;
static int64_t run_start_us;
static struct stats stats;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void print_status(const char *event)
{
	printf("{\"event\":\"%s\",\"answers\":%" PRIu64 ",\"inflight\":%u,\"connections\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"errors\":{",
	       event, stats.answers, open_conns, connections, errors);
	for (unsigned i = 0; i < FAILURE_N; i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "", failure_names[i], failures[i]);
	printf("},");
	stats_print(&stats);
	printf(",\"seconds\":%.3f}\n", (double)(now_us() - run_start_us) / 1e6);
	fflush(stdout);
}

static void make_id(const struct conn *c, char *ret_id, size_t size)
{
	snprintf(ret_id, size, "%" PRIx64 "-%" PRIu64, run_id, c->seq);
}

/* --- connections --------------------------------------------------------------------- */

static void conn_close(struct conn *c)
{
	close(c->fd);
	c->state = CONN_FREE;
	open_conns--;
}

static void conn_fail(struct conn *c, enum failure kind)
{
	if (errors++ < TOLD_ERRORS) {
		char id[64];

		make_id(c, id, sizeof(id));
		fprintf(stderr,
			"load: %s: request %s, number %u of its connection, after %lld ms, %zu "
			"bytes: "
			"%.200s\n",
			failure_names[kind], id, c->requests,
			(long long)(now_us() - c->start_us) / 1000, c->len, c->buf);
	}
	failures[kind]++;
	conn_close(c);
}

static enum failure failure_of_errno(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return REFUSED;
	case ECONNRESET:
	case EPIPE:
		return RESET;
	case ETIMEDOUT:
		return TIMEOUT;
	default:
		return OTHER;
	}
}

static void conn_send(struct conn *c)
{
	char id[64], text[512];
	int n;

	if (c->requests > 0) {
		c->seq = ++seq;
		c->start_us = now_us();
		c->deadline_us = c->start_us + opt.request_us;
	}
	c->requests++;
	c->len = 0;
	c->buf[0] = '\0';
	c->state = CONN_WAITING;

	make_id(c, id, sizeof(id));
	if (opt.line)
		n = snprintf(text, sizeof(text), "%s\n", id);
	else
		n = snprintf(text, sizeof(text),
			     "GET %s%cid=%s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n\r\n",
			     opt.path, strchr(opt.path, '?') ? '&' : '?', id, opt.address,
			     c->requests < opt.requests ? "keep-alive" : "close");
	/* Far below any socket buffer, so a short write would be a failure too. */
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		conn_fail(c, failure_of_errno(errno));
}

static void conn_open(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = c };
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port) };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		perror("load: socket");
		exit(1);
	}
	c->state = CONN_CONNECTING;
	c->seq = ++seq;
	c->requests = 0;
	c->len = 0;
	c->buf[0] = '\0';
	c->start_us = now_us();
	c->deadline_us = c->start_us + opt.request_us;
	open_conns++;
	connections++;
	inet_pton(AF_INET, opt.address, &addr.sin_addr);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS) {
		conn_fail(c, failure_of_errno(errno));
		return;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
		perror("load: epoll_ctl");
		exit(1);
	}
}

static void conn_connected(struct conn *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	socklen_t len = sizeof(int);
	int err = 0;

	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err) {
		conn_fail(c, failure_of_errno(err));
		return;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0) {
		perror("load: epoll_ctl");
		exit(1);
	}
	conn_send(c);
}

/* The state after new bytes or the end of file. */
static void conn_judge(struct conn *c, bool eof)
{
	enum verdict verdict;
	bool keep = false;
	char id[64];

	make_id(c, id, sizeof(id));
	verdict = opt.line ? answer_check_line(c->buf, c->len, id, &c->pid)
			   : answer_check_http(c->buf, c->len, id, eof, &keep, &c->pid);
	switch (verdict) {
	case VERDICT_MORE:
		if (eof)
			conn_fail(c, c->len ? SHORT : CLOSED);
		else if (c->len == sizeof(c->buf) - 1)
			conn_fail(c, WRONG);
		return;
	case VERDICT_WRONG:
		conn_fail(c, WRONG);
		return;
	case VERDICT_DUPLICATE:
		conn_fail(c, DUPLICATE);
		return;
	case VERDICT_RIGHT:
		break;
	}
	if (eof) {
		stats_add(&stats, c->pid, (uint64_t)(now_us() - c->start_us));
		conn_close(c);
	} else if (keep && c->requests < opt.requests) {
		stats_add(&stats, c->pid, (uint64_t)(now_us() - c->start_us));
		/* A closing request ends the connection in order when the run stops. */
		if (stopping)
			c->requests = opt.requests - 1;
		conn_send(c);
	} else {
		c->state = CONN_ANSWERED;
	}
}

static void conn_readable(struct conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len, 0);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_fail(c, failure_of_errno(errno));
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	conn_judge(c, n == 0);
}

/* --- the run ------------------------------------------------------------------------- */

static bool run_over(void)
{
	return stopping || errors >= MAX_ERRORS || stats.answers >= MAX_ANSWERS ||
	       now_us() - run_start_us >= opt.run_us;
}

/* Starts what may start. A whole pass at most, so failures at connect cannot loop here. */
static void fill(void)
{
	for (unsigned i = 0; i < opt.inflight && !run_over(); i++) {
		if (opt.total && connections * opt.requests >= opt.total)
			stopping = true;
		else if (conns[i].state == CONN_FREE)
			conn_open(&conns[i]);
	}
}

static void expire(void)
{
	int64_t now = now_us();

	for (unsigned i = 0; i < opt.inflight; i++)
		if (conns[i].state != CONN_FREE && now >= conns[i].deadline_us)
			conn_fail(&conns[i], TIMEOUT);
}

static void command(const char *line)
{
	if (!strcmp(line, "stop"))
		stopping = true;
	else if (!strcmp(line, "status"))
		print_status("status");
	else if (!strncmp(line, "more ", 5))
		more_at = stats.answers + strtoul(line + 5, NULL, 10);
	else
		fprintf(stderr, "load: unknown command \"%s\"\n", line);
}

static void commands_read(void)
{
	static char buf[256];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stopping = true;
		(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		return;
	}
	len += (size_t)n;
	buf[len] = '\0';
	while ((end = strchr(buf, '\n'))) {
		*end = '\0';
		command(buf);
		len -= (size_t)(end + 1 - buf);
		memmove(buf, end + 1, len + 1);
	}
	if (len == sizeof(buf) - 1)
		len = 0;
}

static void run(void)
{
	struct epoll_event ev[256];
	struct epoll_event in = { .events = EPOLLIN, .data.ptr = NULL };
	int64_t tick_us = run_start_us;

	/* A plain file or /dev/null cannot be waited for: then only TOTAL or time ends the run. */
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &in);
	fill();
	/* Ends: a connection lives at most request_us, and no new one starts once it is over. */
	while (open_conns > 0 || !run_over()) {
		int n = epoll_wait(epoll_fd, ev, 256, TICK_MS);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (!c)
				commands_read();
			else if (c->state == CONN_CONNECTING)
				conn_connected(c);
			else
				conn_readable(c);
		}
		if (now_us() >= tick_us) {
			expire();
			tick_us = now_us() + TICK_MS * 1000;
		}
		if (more_at && stats.answers >= more_at) {
			more_at = 0;
			print_status("more");
		}
		fill();
	}
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || value > max) {
		fprintf(stderr, "load: \"%s\" is not a number from 0 to %lu\n", text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct in_addr unused;
	int c;

	while ((c = getopt(argc, argv, "a:c:n:k:m:q:t:T:")) != -1) {
		switch (c) {
		case 'a':
			opt.address = optarg;
			break;
		case 'c':
			opt.inflight = (unsigned)number(optarg, MAX_INFLIGHT);
			break;
		case 'n':
			opt.total = number(optarg, MAX_ANSWERS);
			break;
		case 'k':
			opt.requests = (unsigned)number(optarg, 100000);
			break;
		case 'm':
			opt.line = !strcmp(optarg, "line");
			if (!opt.line && strcmp(optarg, "http"))
				return 2;
			break;
		case 'q':
			opt.path = optarg;
			break;
		case 't':
			opt.request_us = (int64_t)number(optarg, 600000) * 1000;
			break;
		case 'T':
			opt.run_us = (int64_t)number(optarg, 600) * 1000000;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1 || !inet_pton(AF_INET, opt.address, &unused)) {
		fprintf(stderr, "usage: load [options] PORT\n");
		return 2;
	}
	opt.port = (unsigned)number(argv[optind], 65535);
	if (opt.requests == 0 || opt.line)
		opt.requests = 1;

	signal(SIGPIPE, SIG_IGN);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0) {
		perror("load: epoll_create1");
		return 1;
	}
	run_start_us = now_us();
	run_id = (uint64_t)run_start_us << 16 ^ (uint64_t)getpid();
	run();
	print_status("done");
	return errors || !stats.answers ? 1 : 0;
}
