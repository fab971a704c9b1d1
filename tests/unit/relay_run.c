/* links: broker/sys/relay broker/sys/loop broker/sys/pair broker/sys/sandbox broker/sys/tcp */
/* links: broker/sys/asked_socket broker/sys/proc broker/sys/dir broker/sys/sockdiag */
/* links: broker/policy/relay */
/* links: broker/policy/framing broker/policy/idle broker/policy/pins broker/base/heap */
/* links: broker/base/strbuf broker/base/address broker/base/units broker/base/paths */
/* links: broker/sys/pid_set */
/*
 * The process itself: the test is its broker, the library of a worker, the app and the client.
 */
#include "sys/loop.h"
#include "sys/relay.h"
#include "sys/tcp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "sys/pair.h"
#include "tap.h"

#define GET "GET / HTTP/1.1\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static int broker, listener; /* our end of its socket; where clients connect to */
static pid_t relay;

static void start(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	broker = pair[0];
	relay = fork();
	if (relay == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK_EQ(dup2(pair[1], RELAY_FD), RELAY_FD);
		close(pair[0]);
		close(pair[1]);
		_exit(relay_run(SECCOMP_NO));
	}
	close(pair[1]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&in, sizeof(in)), 0);
	CHECK_EQ(listen(listener, 1000), 0);
}

/* It ends by itself. */
static void finish(void)
{
	int status;

	close(broker);
	CHECK_EQ(waitpid(relay, &status, 0), relay);
	CHECK_EQ(status, 0);
	close(listener);
}

/* --- the broker ------------------------------------------------------------------------------- */

static struct relay_seat_message seat_message(uint64_t channel)
{
	struct relay_seat_message m = { .channel = channel, .end_idle_ms = -1, .move.n_ports = 1 };
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	CHECK_EQ(getsockname(listener, (struct sockaddr *)&in, &len), 0);
	m.move.ports[0] = ntohs(in.sin_port);
	return m;
}

static int send_seat(const struct relay_seat_message *m)
{
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(handoff_send(broker, m, sizeof(*m), &pair[1], 1, 0), 0);
	close(pair[1]);
	return pair[0];
}

static int new_seat(uint64_t channel)
{
	const struct relay_seat_message m = seat_message(channel);

	return send_seat(&m);
}

/* What comes from it next, but for how many connections it has. With MOVED: the connection. */
static int receive(enum relay_says what, uint64_t n)
{
	struct relay_moved_message m;
	struct pair_message got;

	do
		CHECK_EQ(pair_receive_any(broker, &m, sizeof(m), 0, &got), sizeof(m));
	while (m.what == RELAY_SAYS_HAS);
	CHECK_EQ(m.what, what);
	CHECK_EQ(m.n, n);
	CHECK_EQ(got.fd >= 0, what == RELAY_SAYS_MOVED);
	return got.fd;
}

static void wait_until_it_has(unsigned n)
{
	struct relay_moved_message m;
	struct pair_message got;

	do
		CHECK_EQ(pair_receive_any(broker, &m, sizeof(m), 0, &got), sizeof(m));
	while (m.what != RELAY_SAYS_HAS || m.n_conns != n);
}

/* --- clients and apps ------------------------------------------------------------------------- */

static void put(int fd, const char *text)
{
	CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* These bytes come next; "": the end. */
static void get(int fd, const char *text)
{
	char bytes[4096];
	size_t n = strlen(text);

	CHECK_EQ(recv(fd, bytes, n ? n : 1, n ? MSG_WAITALL : 0), n);
	CHECK(!memcmp(bytes, text, n));
}

static void wait_until_readable(int fd)
{
	char byte;

	CHECK(recv(fd, &byte, 1, MSG_PEEK) > 0);
}

struct conn {
	int client, real, app;
};

/* One of which the app has read nothing, and of which @sent waits. */
static struct conn new_conn(const char *sent)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	struct conn c = { .client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .app = -1 };

	CHECK_EQ(getsockname(listener, (struct sockaddr *)&in, &len), 0);
	CHECK_EQ(connect(c.client, (struct sockaddr *)&in, len), 0);
	c.real = accept(listener, NULL, NULL);
	CHECK(c.real >= 0);
	if (*sent) {
		put(c.client, sent);
		wait_until_readable(c.real);
	}
	return c;
}

/* As the library: the app has the other end of a pair from now on. */
static void offer(int seat, struct conn *c, bool app_is_there)
{
	static const struct handoff_offer message = { { HANDOFF_VERSION, HANDOFF_OFFER,
							sizeof(message) } };
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	c->app = pair[0];
	if (!app_is_there)
		fd_closep(&c->app);
	CHECK_EQ(handoff_send(seat, &message, sizeof(message), (int[]){ c->real, pair[1] }, 2, 0),
		 0);
	close(pair[1]);
	fd_closep(&c->real);
}

static struct conn offered(int seat, const char *sent)
{
	struct conn c = new_conn(sent);

	offer(seat, &c, true);
	return c;
}

static void close_conn(struct conn *c)
{
	fd_closep(&c->client);
	fd_closep(&c->real);
	fd_closep(&c->app);
}

/* It has moved, with @request unread, and is served by whoever got it. */
static void check_moved(struct conn *c, uint64_t channel, const char *request)
{
	c->real = receive(RELAY_SAYS_MOVED, channel);
	get(c->real, request);
	put(c->real, OK);
	get(c->client, OK);
	if (c->app >= 0)
		get(c->app, "");
	close_conn(c);
}

/* Not before a call of the app that began before the swap may have read it. */
TEST(a_request_that_waits_moves_and_the_app_sees_its_client_leave)
{
	struct conn c, quiet;
	uint64_t began_ns;
	int seat;

	start();
	seat = new_seat(7);
	quiet = offered(seat, "");
	wait_until_it_has(1);
	began_ns = loop_clock_ns();
	c = offered(seat, GET);
	check_moved(&c, 7, GET);
	/* 5 ms of a clock that counts whole ones. */
	CHECK(loop_clock_ns() - began_ns > 4 * NSEC_PER_MSEC);
	close_conn(&quiet);
	close(seat);
	finish();
}

/* Even at once, when a thread of it may still read what was replaced. */
TEST(who_waits_while_the_app_closes_moves)
{
	struct conn c, part, quiet;
	int seat;

	start();
	seat = new_seat(7);
	c = new_conn(GET);
	offer(seat, &c, false);
	check_moved(&c, 7, GET);
	part = new_conn("GET /");
	offer(seat, &part, false);
	quiet = new_conn("");
	offer(seat, &quiet, false);
	get(quiet.client, "");
	close_conn(&quiet);
	/* It was looked at before that one. */
	put(part.client, " HTTP/1.1\r\n\r\n");
	check_moved(&part, 7, GET);
	close(seat);
	finish();
}

/* Or it sees its client leave. */
static bool app_is_asked(const struct conn *c)
{
	char byte;

	return recv(c->app, &byte, 1, MSG_PEEK) > 0;
}

/* Once to count from; before that once more, if it may be that it owes an answer. */
TEST(an_app_that_has_read_something_is_asked_again_before_it_moves)
{
	struct conn c;
	int seat, asked = 0;

	start();
	seat = new_seat(7);
	c = new_conn(GET);
	get(c.real, GET);
	put(c.real, OK);
	get(c.client, OK);
	offer(seat, &c, true);
	for (put(c.client, GET); app_is_asked(&c); put(c.client, GET)) {
		get(c.app, GET);
		put(c.app, OK);
		get(c.client, OK);
		asked++;
	}
	CHECK(asked == 1 || asked == 2);
	check_moved(&c, 7, GET);
	close(seat);
	finish();
}

/* --- who ends --------------------------------------------------------------------------------- */

/* It has had one seat, and has nothing left. */
static void start_idle(void)
{
	start();
	close(new_seat(7));
	(void)receive(RELAY_SAYS_DONE, 1);
}

TEST(with_nothing_left_it_says_so_once_for_each_seat_and_ends_when_it_may)
{
	struct conn c;
	int seat;

	start_idle();
	seat = new_seat(8);
	c = offered(seat, "");
	close(seat);
	/* It has a connection. Of a channel without a seat nothing moves. */
	put(c.client, GET);
	get(c.app, GET);
	close_conn(&c);
	(void)receive(RELAY_SAYS_DONE, 2);
	CHECK_EQ(shutdown(broker, SHUT_WR), 0);
	finish();
}

TEST(a_seat_that_was_on_its_way_as_it_was_to_end_is_served)
{
	struct conn c;
	int seat;

	start_idle();
	CHECK_EQ(kill(relay, SIGSTOP), 0);
	seat = new_seat(8);
	CHECK_EQ(shutdown(broker, SHUT_WR), 0);
	CHECK_EQ(kill(relay, SIGCONT), 0);
	c = offered(seat, GET);
	check_moved(&c, 8, GET);
	close(seat);
	finish();
}

TEST(without_a_broker_all_stays_where_it_is)
{
	struct conn c, later;
	int seat;

	start();
	seat = new_seat(7);
	c = offered(seat, "");
	fd_closep(&broker);
	put(c.client, GET);
	get(c.app, GET);
	put(c.app, OK);
	get(c.client, OK);
	put(c.client, GET);
	get(c.app, GET);
	later = offered(seat, GET);
	get(later.app, GET);
	close(seat);
	fd_closep(&c.client);
	get(c.app, "");
	close_conn(&c);
	close_conn(&later);
	finish();
}

TEST(what_the_broker_has_no_room_for_comes_later)
{
	struct conn c[400];
	int seat, moved[ARRAY_SIZE(c)];

	start();
	seat = new_seat(7);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = offered(seat, GET);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		moved[i] = receive(RELAY_SAYS_MOVED, 7);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		get(moved[i], GET);
		close(moved[i]);
		close_conn(&c[i]);
	}
	close(seat);
	finish();
}

/* --- what stays ------------------------------------------------------------------------------- */

TEST(clients_stay_that_the_latest_seat_says)
{
	struct relay_seat_message m;
	struct conn c;
	int seat;

	start();
	m = seat_message(7);
	m.n_stays = 1;
	m.stays[0].source = (struct pin_source){ 4, 8, { 127 } };
	seat = send_seat(&m);
	c = offered(seat, GET);
	get(c.app, GET);
	put(c.app, OK);
	get(c.client, OK);
	close(seat);
	wait_until_it_has(1);
	close_conn(&c);
	wait_until_it_has(0);
	(void)receive(RELAY_SAYS_DONE, 1);
	/* One that was not to stay at first. */
	seat = new_seat(7);
	c = offered(seat, "");
	wait_until_it_has(1);
	close(seat);
	seat = send_seat(&m);
	put(c.client, GET);
	get(c.app, GET);
	close_conn(&c);
	close(seat);
	finish();
}

TEST(what_is_idle_is_ended_when_the_broker_knows_of_it)
{
	struct relay_seat_message m;
	struct conn c;
	int seat;

	start();
	m = seat_message(7);
	m.end_idle_ms = 0;
	seat = send_seat(&m);
	c = offered(seat, "");
	(void)receive(RELAY_SAYS_IDLE, 7);
	get(c.client, "");
	get(c.app, "");
	wait_until_it_has(0);
	close_conn(&c);
	close(seat);
	finish();
}

/* The app has asked for a body, or makes a pause: the broker itself could not know. */
TEST(a_request_that_is_under_way_is_not_idle)
{
	struct relay_seat_message m;
	struct idle_sample now;
	struct conn half, quiet;
	int seat;

	start();
	half = new_conn(GET);
	get(half.real, GET);
	/* So that the answer is known to be later than the request. */
	do
		CHECK_EQ(tcp_sample(half.real, &now), 0);
	while (now.received_ms < 10);
	put(half.real, OK);
	get(half.client, OK);
	do
		CHECK_EQ(tcp_sample(half.real, &now), 0);
	while (now.unacked);
	m = seat_message(7);
	m.end_idle_ms = 0;
	seat = send_seat(&m);
	offer(seat, &half, true);
	wait_until_it_has(1);
	put(half.client, GET);
	get(half.app, GET);
	put(half.app, "HTTP/1.1 100 Continue\r\n\r\n");
	get(half.client, "HTTP/1.1 100 Continue\r\n\r\n");
	/* This one is idle for a shorter time. */
	quiet = offered(seat, "");
	(void)receive(RELAY_SAYS_IDLE, 7);
	get(quiet.client, "");
	put(half.app, OK);
	get(half.client, OK);
	close_conn(&quiet);
	close_conn(&half);
	close(seat);
	finish();
}

static void lie(int seat, const void *bytes, size_t n, int a, int b)
{
	int fds[2] = { a, b };

	CHECK_EQ(handoff_send(seat, bytes, n, fds, (a >= 0) + (b >= 0), 0), 0);
}

TEST(lies_are_closed_and_harm_nobody)
{
	static const char bytes[400] = { 3, 0, HANDOFF_OFFER };
	static const struct handoff_offer good = { { HANDOFF_VERSION, HANDOFF_OFFER,
						     sizeof(good) } };
	struct conn c, other;
	int seat, pair[2], pipes[2];

	start();
	seat = new_seat(7);
	c = offered(seat, "");
	other = new_conn("");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
	for (int i = 0; i < 100; i++) {
		lie(seat, &good, sizeof(good), -1, -1);
		lie(seat, &good, sizeof(good), other.real, -1);
		lie(seat, &good, sizeof(good), listener, pair[1]);
		lie(seat, &good, sizeof(good), other.client, pair[1]);
		lie(seat, &good, sizeof(good), pair[0], pair[1]);
		lie(seat, &good, sizeof(good), other.real, pipes[0]);
		lie(seat, &good, sizeof(good) - 1, other.real, pair[1]);
		lie(seat, bytes, sizeof(bytes), other.real, pair[1]);
	}
	/* No copy is left there. */
	fd_closep(&other.real);
	get(other.client, "");
	close(pair[1]);
	get(pair[0], "");
	put(c.client, GET);
	check_moved(&c, 7, GET);
	close_conn(&other);
	close(pair[0]);
	close(pipes[0]);
	close(pipes[1]);
	close(seat);
	finish();
}

/* --- how much --------------------------------------------------------------------------------- */

#define MANY (8u << 20)

static char byte_at(size_t i)
{
	return (char)(i % 251);
}

/* As much as fits between them while nobody reads. */
static size_t fill(int fd, size_t sent)
{
	char bytes[10000];
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	while (sent < MANY) {
		ssize_t n;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = byte_at(sent + i);
		n = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && poll(&p, 1, 50) == 0)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

static size_t drain(int fd, size_t got, size_t until)
{
	char bytes[10000];

	while (got < until) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			CHECK_EQ(bytes[i], byte_at(got + (size_t)i));
		got += (size_t)n;
	}
	return got;
}

TEST(who_is_slow_makes_the_other_side_wait_and_gets_every_byte)
{
	struct conn c;
	int seat;

	start();
	seat = new_seat(7);
	c = offered(seat, "");
	put(c.client, "\n");
	get(c.app, "\n");
	for (int i = 0; i < 2; i++) {
		int from = i ? c.client : c.app, to = i ? c.app : c.client;
		size_t sent = fill(from, 0), got;

		CHECK(sent < MANY);
		got = drain(to, 0, sent / 2);
		sent = fill(from, sent);
		CHECK(sent > got);
		(void)drain(to, got, sent);
	}
	close_conn(&c);
	close(seat);
	finish();
}

TAP_MAIN()
