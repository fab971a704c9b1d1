/* links: broker/sys/stream broker/sys/retire broker/sys/loop broker/base/heap broker/base/strbuf */
#include "sys/stream.h"
#include "tap.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/fd.h"

#define BIG (4 << 20)

struct peer {
	struct stream stream;
	struct loop loop;
	struct loop_timer late; /* a test that hangs fails */
	int other;
	int received, drained, closed;
	size_t closed_with; /* output left over at the end */
	void (*on_received)(struct peer *p);
};

static void nothing(struct loop *loop, int signo)
{
	(void)loop;
	(void)signo;
}

static void is_late(struct loop_timer *timer)
{
	container_of(timer, struct peer, late)->loop.stop = true;
}

static void received(struct stream *s)
{
	struct peer *p = container_of(s, struct peer, stream);

	p->received++;
	if (p->on_received)
		p->on_received(p);
}

static void drained(struct stream *s)
{
	struct peer *p = container_of(s, struct peer, stream);

	p->drained++;
	p->loop.stop = true;
}

static void closed(struct stream *s)
{
	struct peer *p = container_of(s, struct peer, stream);

	p->closed++;
	p->loop.stop = true;
}

static void begin(struct peer *p, size_t in_max, size_t out_max)
{
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	CHECK_EQ(loop_init(&p->loop, NULL, 0, nothing), 0);
	loop_timer_init(&p->late, is_late);
	loop_timer_arm(&p->loop, &p->late, 10000);
	p->stream.received = received;
	p->stream.drained = drained;
	p->stream.closed = closed;
	p->other = ends[1];
	CHECK_EQ(stream_open(&p->stream, &p->loop, ends[0], in_max, out_max), 0);
}

static void run(struct peer *p)
{
	p->loop.stop = false;
	loop_run(&p->loop);
	CHECK(loop_timer_armed(&p->late));
}

static void end(struct peer *p)
{
	loop_timer_disarm(&p->late);
	stream_deinit(&p->stream);
	fd_closep(&p->other);
	loop_deinit(&p->loop);
}

static void fill(struct stream *s, size_t n)
{
	char part[4096];

	memset(part, 'x', sizeof(part));
	for (size_t i = 0; i < n; i += sizeof(part))
		strbuf_add_bytes(&s->out, part, sizeof(part));
}

static size_t read_all(int fd, size_t most)
{
	char part[65536];
	size_t sum = 0;
	ssize_t n;

	while (sum < most && (n = recv(fd, part, sizeof(part), MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	return sum;
}

static void stop_when_whole(struct peer *p)
{
	if (p->stream.in.len == 5)
		p->loop.stop = true;
}

TEST(what_comes_is_handed_on_and_never_more_than_the_bound)
{
	struct peer p = { .on_received = stop_when_whole };

	begin(&p, 5, 100);
	CHECK_EQ(send(p.other, "123456789", 9, 0), 9);
	run(&p);
	CHECK_EQ(p.stream.in.len, 5);
	CHECK(!memcmp(p.stream.in.text, "12345", 5));
	/* Nothing is watched now: a peer that floods costs no turn. */
	CHECK_EQ(p.stream.source.events, 0);
	end(&p);
}

static void answer_and_finish(struct peer *p)
{
	if (!p->stream.eof)
		return;
	strbuf_add(&p->stream.out, "answer\n");
	p->stream.finishing = true;
	stream_flush(&p->stream);
}

TEST(a_peer_that_has_ended_its_side_still_gets_its_answer)
{
	struct peer p = { .on_received = answer_and_finish };
	char text[32] = "";

	begin(&p, 100, 100);
	CHECK_EQ(send(p.other, "ask\n", 4, 0), 4);
	CHECK_EQ(shutdown(p.other, SHUT_WR), 0);
	run(&p);
	CHECK_EQ(p.closed, 1);
	CHECK(!stream_is_open(&p.stream));
	CHECK_EQ(recv(p.other, text, sizeof(text), 0), 7);
	CHECK_STR(text, "answer\n");
	CHECK_EQ(recv(p.other, text, sizeof(text), 0), 0);
	end(&p);
}

TEST(a_large_answer_goes_out_as_the_peer_reads_it)
{
	struct peer p = { .received = 0 };
	size_t sum = 0;

	begin(&p, 100, 2 * BIG);
	fill(&p.stream, BIG);
	stream_flush(&p.stream);
	CHECK(p.stream.out.len > 0);
	CHECK(p.stream.out.len < BIG);
	CHECK_EQ(p.stream.source.events, EPOLLOUT);
	while (p.drained == 0 && p.closed == 0) {
		sum += read_all(p.other, BIG);
		loop_timer_arm(&p.loop, &p.late, 0);
		p.loop.stop = false;
		loop_run(&p.loop);
	}
	sum += read_all(p.other, BIG);
	CHECK_EQ(sum, BIG);
	CHECK_EQ(p.closed, 0);
	CHECK(p.stream.out.text == NULL);
	end(&p);
}

TEST(a_peer_that_reads_nothing_is_dropped)
{
	struct peer p = { .received = 0 };

	p.stream.stall_ms = 20;
	begin(&p, 100, 2 * BIG);
	fill(&p.stream, BIG);
	stream_flush(&p.stream);
	run(&p);
	CHECK_EQ(p.closed, 1);
	CHECK_EQ(p.drained, 0);
	end(&p);
}

TEST(while_output_waits_nothing_is_read)
{
	struct peer p = { .received = 0 };

	p.stream.stall_ms = 20;
	begin(&p, 100, 2 * BIG);
	fill(&p.stream, BIG);
	stream_flush(&p.stream);
	CHECK_EQ(send(p.other, "more\n", 5, 0), 5);
	run(&p);
	CHECK_EQ(p.received, 0);
	CHECK_EQ(p.closed, 1);
	end(&p);
}

TEST(half_an_answer_is_none)
{
	struct peer p = { .received = 0 };
	char byte;

	begin(&p, 100, 10);
	strbuf_add(&p.stream.out, "123456789");
	strbuf_add(&p.stream.out, "123456789");
	stream_flush(&p.stream);
	CHECK_EQ(p.closed, 0); /* not while the caller may still use it */
	run(&p);
	CHECK_EQ(p.closed, 1);
	CHECK_EQ(recv(p.other, &byte, 1, 0), 0);
	end(&p);
}

TEST(a_limit_ends_it_whatever_happens)
{
	struct peer p = { .received = 0 };

	begin(&p, 100, 100);
	stream_limit(&p.stream, 20);
	run(&p);
	CHECK_EQ(p.closed, 1);
	end(&p);
}

TEST(a_peer_that_goes_away_ends_it)
{
	struct peer p = { .received = 0 };

	begin(&p, 100, 2 * BIG);
	fill(&p.stream, BIG);
	stream_flush(&p.stream);
	fd_closep(&p.other);
	run(&p);
	CHECK_EQ(p.closed, 1);
	end(&p);
}

static unsigned n_accepted;

static void count(struct acceptor *a, int fd)
{
	(void)a;
	n_accepted++;
	(void)close(fd);
}

TEST(an_acceptor_that_moves_takes_what_waits_with_it)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct acceptor a;
	int listeners[2], clients[3];
	struct loop loop;
	socklen_t len;

	CHECK_EQ(loop_init(&loop, NULL, 0, nothing), 0);
	for (int i = 0; i < 2; i++) {
		listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_EQ(bind(listeners[i], (struct sockaddr *)&sun, sizeof(sun.sun_family)), 0);
		CHECK_EQ(listen(listeners[i], 8), 0);
	}
	CHECK_EQ(acceptor_start(&a, &loop, listeners[0], 1, count), 0);
	for (int i = 0; i < 3; i++) {
		len = sizeof(sun);
		CHECK_EQ(getsockname(listeners[0], (struct sockaddr *)&sun, &len), 0);
		clients[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK_EQ(connect(clients[i], (struct sockaddr *)&sun, len), 0);
	}
	CHECK_EQ(acceptor_move(&a, listeners[1]), 0);
	CHECK_EQ(n_accepted, 3);
	CHECK_EQ(a.source.fd, listeners[1]);
	acceptor_stop(&a);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(close(clients[i]), 0);
	CHECK_EQ(close(listeners[0]) + close(listeners[1]), 0);
	loop_deinit(&loop);
}

TAP_MAIN()
