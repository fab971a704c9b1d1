/* links: broker/sys/loop broker/base/heap */
/* wrap: clock_gettime epoll_wait */
#include "sys/loop.h"
#include "tap.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STOPPED_MS 400

/* The test's own time: it passes while the loop waits, and while it is stopped. */
static int64_t clock_ms = 1000;
static bool stops_in_call; /* on the way out of the next epoll_wait(2), which has found nothing */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	*ret = (struct timespec){ clock_ms / 1000, clock_ms % 1000 * 1000000 };
	return 0;
}

int __real_epoll_wait(int fd, struct epoll_event *events, int n, int ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	int r;

	CHECK(ms >= 0);
	if (stops_in_call) {
		stops_in_call = false;
		clock_ms += STOPPED_MS;
		return 0;
	}
	r = __real_epoll_wait(fd, events, n, 0);
	clock_ms += r == 0 ? ms : 0;
	return r;
}

static struct loop loop;
static struct loop_source first = { .fd = -1 }, second = { .fd = -1 };
static struct loop_timer due, later;
static int ends[2][2];
static unsigned n_seen;
static int64_t began_ms;

static void second_ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	n_seen++;
	loop_remove(&loop, source);
}

/* As a connection, of which only the next turn hears what it says. */
static void first_ready(struct loop_source *source, uint32_t events)
{
	(void)events;
	n_seen++;
	loop_remove(&loop, source);
	CHECK_EQ(loop_add(&loop, &second, ends[1][0], EPOLLIN), 0);
}

static void expired(struct loop_timer *timer)
{
	(void)timer;
	CHECK_EQ(n_seen, 2);
}

static void expired_later(struct loop_timer *timer)
{
	(void)timer;
	CHECK_EQ(clock_ms - began_ms, STOPPED_MS + 120 - 20);
	loop.stop = true;
}

static void is_stopped(bool in_call)
{
	n_seen = 0;
	loop = (struct loop){ 0 };
	CHECK_EQ(loop_init(&loop, NULL, 0, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]), 0);
		CHECK_EQ(write(ends[i][1], "x", 1), 1);
	}
	first.ready = first_ready;
	second.ready = second_ready;
	CHECK_EQ(loop_add(&loop, &first, ends[0][0], EPOLLIN), 0);
	loop_timer_init(&due, expired);
	loop_timer_init(&later, expired_later);
	loop_timer_arm(&loop, &due, 20);
	loop_timer_arm(&loop, &later, 120);
	began_ms = clock_ms;
	stops_in_call = in_call;
	clock_ms += in_call ? 0 : STOPPED_MS;
	loop_run(&loop);
	CHECK_EQ(n_seen, 2);
	for (unsigned i = 0; i < 2; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
	loop_deinit(&loop);
}

TEST(a_turn_that_comes_late_costs_no_deadline)
{
	is_stopped(false);
}

TEST(what_the_kernel_said_before_the_stop_is_not_the_last_word)
{
	is_stopped(true);
}

TAP_MAIN()
