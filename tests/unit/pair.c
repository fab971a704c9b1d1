/* links: broker/sys/pair */
/* wrap: getrandom */
#include "sys/pair.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct handoff_name name = {
	.worker = { 1, 2, 3 },
	.channel = 7,
	.addr = { .family = 4, .port = 80, .ip = { 127, 0, 0, 1 } },
};

static int tx, rx, conn_fd, error;

/* As often the same number comes. */
static int repeated;

ssize_t __real_getrandom(void *buf, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags)
{
	if (repeated-- <= 0)
		return __real_getrandom(buf, size, flags);
	memset(buf, 1, size);
	return (ssize_t)size;
}

/* The name is the kernel's to keep unique: tests run side by side, so each has its own. */
static void start(unsigned queue)
{
	struct handoff_name own = name;
	pid_t pid = getpid();

	memcpy(own.worker + 4, &pid, sizeof(pid));
	CHECK_EQ(pair_open(&own, queue, &tx, &rx), 0);
	/* What a connection is known by. */
	conn_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(conn_fd >= 0);
}

static void stop(void)
{
	close(tx);
	close(rx);
	close(conn_fd);
}

static struct handoff_conn conn_of(uint64_t id)
{
	struct handoff_conn c = { .id = id, .listener = 3, .peer.family = 4, .peer.port = 99 };

	handoff_header_init(&c.h, HANDOFF_CONN);
	return c;
}

static int give(uint64_t id)
{
	struct handoff_conn c = conn_of(id);

	return pair_send(tx, &c, conn_fd);
}

/* The id of the oldest message, 0 if there is none; the descriptor is closed. */
static uint64_t take(void)
{
	struct handoff_conn c;
	int fd, r = pair_receive(rx, &c, &fd, &error);

	if (r == PAIR_EMPTY)
		return 0;
	CHECK_EQ(r, PAIR_RECEIVED);
	close(fd);
	return c.id;
}

/* Two ends of one TCP connection. */
static void tcp_pair(int pair[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK_EQ(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	pair[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(pair[1], (struct sockaddr *)&sin, sizeof(sin)), 0);
	pair[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(pair[0] >= 0);
	close(listener);
}

static void check_comes_back(int pair[2])
{
	struct handoff_conn in = conn_of(42), out;
	int fd = -1;
	char byte = 0;

	start(16);
	CHECK_EQ(pair_send(tx, &in, pair[0]), PAIR_SENT);
	close(pair[0]);
	CHECK_EQ(pair_waiting(rx), 1);
	CHECK_EQ(pair_receive(rx, &out, &fd, &error), PAIR_RECEIVED);
	CHECK(!memcmp(&in, &out, sizeof(in)));
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(read(pair[1], &byte, 1), 1);
	CHECK_EQ(byte, 'x');
	CHECK_EQ(pair_waiting(rx), 0);
	CHECK_EQ(pair_receive(rx, &out, &fd, &error), PAIR_EMPTY);
	close(fd);
	close(pair[1]);
	stop();
}

TEST(what_is_sent_comes_back_as_it_was)
{
	int pair[2];

	tcp_pair(pair);
	check_comes_back(pair);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	check_comes_back(pair);
}

TEST(the_ends_are_close_on_exec_and_rx_says_what_it_is)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	struct handoff_name got;
	size_t head = offsetof(struct sockaddr_un, sun_path);

	start(16);
	CHECK(fcntl(tx, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(rx, F_GETFD) & FD_CLOEXEC);
	CHECK_EQ(getsockname(rx, (struct sockaddr *)&sun, &len), 0);
	CHECK(handoff_name_get(sun.sun_path, len - head, &got));
	CHECK_EQ(got.channel, name.channel);
	CHECK(!memcmp(&got.addr, &name.addr, sizeof(got.addr)));
	stop();
}

TEST(a_name_that_is_taken_is_not_the_last)
{
	struct handoff_name own = name;
	pid_t pid = getpid();
	int a = -1, b = -1;

	repeated = 1;
	start(16);
	memcpy(own.worker + 4, &pid, sizeof(pid));
	repeated = 3;
	CHECK_EQ(pair_open(&own, 16, &a, &b), 0);
	CHECK_EQ(repeated, -1);
	close(a);
	close(b);
	stop();
}

TEST(names_that_are_all_taken_leave_nothing_open)
{
	struct handoff_name own = name;
	pid_t pid = getpid();
	int a = -1, b = -1;

	repeated = 1;
	start(16);
	memcpy(own.worker + 4, &pid, sizeof(pid));
	repeated = 1000;
	CHECK_EQ(pair_open(&own, 16, &a, &b), -EADDRINUSE);
	CHECK(repeated > 900);
	repeated = 0;
	CHECK_EQ(a, -1);
	CHECK_EQ(b, -1);
	stop();
}

/*
 * The configured queue must fit, with the wake-up at each message taken: POLLOUT comes only
 * while at most a quarter of the buffer is in use. If the kernel charges more one day, this fails.
 */
TEST(every_queue_fits_with_its_wake_ups)
{
	static const unsigned queues[] = { 1, 2, 16, 64, 100, 128 };

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		struct pollfd p = { .events = POLLOUT };

		start(queues[i]);
		for (unsigned n = 0; n < queues[i]; n++)
			CHECK_EQ(give(n + 1), PAIR_SENT);
		CHECK_EQ(pair_waiting(rx), queues[i]);
		CHECK_EQ(take(), 1);
		p.fd = tx;
		CHECK_EQ(poll(&p, 1, 0), 1);
		while (take())
			continue;
		stop();
	}
}

TEST(a_full_channel_says_so_and_keeps_what_it_has)
{
	uint64_t sent = 0, got = 0, id;

	start(16);
	while (give(sent + 1) == PAIR_SENT)
		sent++;
	CHECK(sent >= 16);
	CHECK_EQ(give(sent + 1), PAIR_FULL);
	CHECK(fcntl(conn_fd, F_GETFD) >= 0);
	while ((id = take()))
		CHECK_EQ(id, ++got);
	CHECK_EQ(got, sent);
	CHECK_EQ(give(1), PAIR_SENT);
	stop();
}

TEST(a_worker_that_shut_its_end_is_gone_without_a_signal)
{
	start(16);
	CHECK_EQ(give(1), PAIR_SENT);
	CHECK_EQ(shutdown(rx, SHUT_RD), 0); /* its copy and ours are one */
	CHECK_EQ(give(2), PAIR_GONE);
	CHECK_EQ(take(), 1);
	CHECK_EQ(take(), 0);
	stop();

	start(16);
	close(rx);
	rx = -1;
	CHECK_EQ(give(1), PAIR_GONE);
	stop();
}

TEST(without_a_free_descriptor_the_message_stays)
{
	struct rlimit old, tight;
	struct handoff_conn c;
	int fd = -1;

	start(16);
	CHECK_EQ(give(1), PAIR_SENT);
	CHECK_EQ(give(2), PAIR_SENT);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)conn_fd + 1; /* the lowest that was free: all below are in use */
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pair_receive(rx, &c, &fd, &error), PAIR_FAILED);
		CHECK_EQ(error, EMFILE);
		CHECK_EQ(fd, -1);
		CHECK_EQ(pair_waiting(rx), 2);
	}
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	CHECK_EQ(take(), 1);
	CHECK_EQ(take(), 2);
	stop();
}

/* --- what a hostile worker can put there with its copy of tx ------------------------- */

static void put(const void *data, size_t len, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} ctl = { .buf = "" };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		struct cmsghdr *c = &ctl.align;

		msg.msg_control = ctl.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &conn_fd, sizeof(int));
	}
	CHECK_EQ(sendmsg(tx, &msg, MSG_DONTWAIT), len);
}

TEST(what_is_no_connection_is_dropped_and_nothing_leaks)
{
	struct handoff_conn good = conn_of(9), bad = good;
	char big[1000] = "";
	int listener, pair[2];

	start(64);
	put(&good, sizeof(good), 0);	 /* no descriptor */
	put(&good, sizeof(good) - 1, 1); /* short */
	put(big, sizeof(big), 1);	 /* long, and the size in it says so */
	put("x", 1, 0);
	put("x", 1, 5);
	bad.h.type = HANDOFF_HELLO;
	put(&bad, sizeof(bad), 1);
	bad = good;
	bad.h.version = 77;
	put(&bad, sizeof(bad), 2);
	bad = good;
	bad.peer.family = 5;
	put(&bad, sizeof(bad), 1);
	/* No connection of clients: a listening socket, another kind of descriptor. */
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(pair_send(tx, &good, listener), PAIR_SENT);
	CHECK_EQ(pair_send(tx, &good, rx), PAIR_SENT);
	close(listener);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(pair_send(tx, &good, pair[0]), PAIR_SENT);
	close(pair[0]);
	close(pair[1]);
	pair_nudge(tx);
	put(&good, sizeof(good), 1);
	/* One connection, one descriptor: the others are closed, as the runner of the tests sees.
	 */
	put(&good, sizeof(good), 2);
	put(&good, sizeof(good), 7);
	put(&good, sizeof(good), 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(take(), 9);
	CHECK_EQ(take(), 0);
	stop();
}

/* --- taking back while the worker is accepting --------------------------------------- */

enum { MESSAGES = 3000 };

static void run_worker(int out)
{
	struct handoff_conn c;
	struct pollfd p = { .fd = rx, .events = POLLIN };
	int fd, r;

	/* A test that fails must not leave it behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Ends with the message that has the last id: 0. */
	for (;;) {
		r = pair_receive(rx, &c, &fd, &error);
		if (r == PAIR_EMPTY) {
			(void)poll(&p, 1, -1);
			continue;
		}
		if (r != PAIR_RECEIVED || fcntl(fd, F_GETFD) < 0)
			_exit(1);
		close(fd);
		if (write(out, &c.id, sizeof(c.id)) != (ssize_t)sizeof(c.id))
			_exit(1);
		if (c.id == 0)
			_exit(0);
	}
}

TEST(each_message_goes_to_exactly_one_receiver)
{
	static unsigned seen[MESSAGES + 1];
	unsigned long long rnd = tap_seed();
	uint64_t id, next = 1;
	unsigned by_worker = 0, by_us = 0;
	int status, out[2];
	pid_t pid;

	start(64);
	/* Room for all that the worker will say: nobody reads before the end. */
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	CHECK(fcntl(out[1], F_SETPIPE_SZ, (MESSAGES + 1) * (int)sizeof(id)) > 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		run_worker(out[1]);
	close(out[1]);
	/* Begin when it runs, or there might be no race. */
	CHECK_EQ(give(next++), PAIR_SENT);
	CHECK_EQ(read(out[0], &id, sizeof(id)), sizeof(id));
	seen[id]++;
	by_worker++;
	while (next <= MESSAGES) {
		for (unsigned n = tap_random(&rnd, 40); n > 0 && next <= MESSAGES; n--) {
			if (give(next) != PAIR_SENT)
				break;
			next++;
		}
		for (unsigned n = tap_random(&rnd, 40); n > 0 && (id = take()); n--) {
			seen[id]++;
			by_us++;
		}
	}
	while ((id = take())) {
		seen[id]++;
		by_us++;
	}
	CHECK_EQ(give(0), PAIR_SENT);
	while (read(out[0], &id, sizeof(id)) == (ssize_t)sizeof(id) && id) {
		seen[id]++;
		by_worker++;
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	for (id = 1; id <= MESSAGES; id++)
		if (seen[id] != 1)
			tap_fail(__FILE__, __LINE__, "message %llu was received %u times",
				 (unsigned long long)id, seen[id]);
	CHECK_EQ(by_us + by_worker, MESSAGES);
	CHECK(by_us > 0);
	close(out[0]);
	stop();
}

/* --- rendezvous ---------------------------------------------------------------------- */

TEST(a_rendezvous_answer_carries_two_descriptors_and_a_request_none)
{
	char buf[HANDOFF_MAX_SIZE];
	int pair[2], fds[2];

	start(16);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(rendezvous_receive(pair[1], buf, sizeof(buf)), -EAGAIN);
	fds[0] = fds[1] = conn_fd;
	CHECK_EQ(handoff_send(pair[0], "hello", 5, fds, 2, MSG_DONTWAIT), 0);
	CHECK_EQ(rendezvous_receive(pair[1], buf, sizeof(buf)), 5);
	CHECK(!memcmp(buf, "hello", 5));
	/* A message that is too long is known by its length, not taken for a shorter one. */
	CHECK_EQ(handoff_send(pair[0], "hello", 5, NULL, 0, MSG_DONTWAIT), 0);
	CHECK_EQ(rendezvous_receive(pair[1], buf, 2), 5);
	close(pair[0]);
	CHECK_EQ(rendezvous_receive(pair[1], buf, sizeof(buf)), 0);
	CHECK_EQ(handoff_send(pair[1], "x", 1, NULL, 0, MSG_DONTWAIT), -EPIPE);
	close(pair[1]);
	stop();
}

TAP_MAIN()
