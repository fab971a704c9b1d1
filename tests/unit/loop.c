/* links: broker/sys/loop broker/base/heap */
#include "sys/loop.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop loop;
static int n_signals[NSIG];
static int64_t raised_ms; /* by the handler of another signal, while .raises */
static bool raises;

static void signalled(struct loop *l, int signo)
{
	int64_t now = loop_clock_ms();

	CHECK(l == &loop);
	n_signals[signo]++;
	l->stop = true;
	if (!raises)
		return;
	raises = false;
	while ((raised_ms = loop_clock_ms()) == now)
		;
	raise(SIGUSR2);
}

static void start(void)
{
	static const int handled[] = { SIGUSR1, SIGUSR2 };

	CHECK_EQ(loop_init(&loop, handled, ARRAY_SIZE(handled), signalled), 0);
}

/* --- sources ------------------------------------------------------------------------- */

struct end {
	struct loop_source source;
	struct end *other; /* removed, and closed, by whoever comes first */
	int pair[2];
	unsigned n;
	uint32_t events;
};

static void end_open(struct end *e, void (*ready)(struct loop_source *, uint32_t))
{
	*e = (struct end){ .source.fd = -1, .source.ready = ready };
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->pair), 0);
}

static void end_close(struct end *e)
{
	close(e->pair[0]);
	close(e->pair[1]);
}

static void put_byte(const struct end *e)
{
	CHECK_EQ(write(e->pair[1], "x", 1), 1);
}

static void count(struct loop_source *source, uint32_t events)
{
	struct end *e = container_of(source, struct end, source);

	e->n++;
	e->events = events;
	loop.stop = true;
}

TEST(a_source_hears_of_its_events)
{
	struct end e;

	start();
	end_open(&e, count);
	CHECK_EQ(loop_add(&loop, &e.source, e.pair[0], EPOLLIN), 0);
	put_byte(&e);
	loop_run(&loop);
	CHECK_EQ(e.n, 1);
	CHECK_EQ(e.events, EPOLLIN);
	loop_remove(&loop, &e.source);
	loop_remove(&loop, &e.source);
	CHECK_EQ(e.source.fd, -1);
	end_close(&e);
	loop_deinit(&loop);
}

static void remove_other(struct loop_source *source, uint32_t events)
{
	struct end *e = container_of(source, struct end, source), *other = e->other;

	count(source, events);
	loop_remove(&loop, &other->source);
	end_close(other);
	memset(other, 0x5a, sizeof(*other)); /* as free(3) and the next malloc(3) might */
}

TEST(what_is_queued_for_a_removed_source_is_dropped)
{
	static struct end a, b;

	start();
	end_open(&a, remove_other);
	end_open(&b, remove_other);
	a.other = &b;
	b.other = &a;
	CHECK_EQ(loop_add(&loop, &a.source, a.pair[0], EPOLLIN), 0);
	CHECK_EQ(loop_add(&loop, &b.source, b.pair[0], EPOLLIN), 0);
	put_byte(&a);
	put_byte(&b);
	loop_run(&loop);
	/* Whichever was first in the batch is left; the other is overwritten. */
	CHECK((a.n == 1) != (b.n == 1));
	end_close(a.n == 1 ? &a : &b);
	loop_deinit(&loop);
}

static void replace_other(struct loop_source *source, uint32_t events)
{
	struct end *e = container_of(source, struct end, source), *other = e->other;

	count(source, events);
	loop_remove(&loop, &other->source);
	end_close(other);
	end_open(other, count);
	CHECK_EQ(loop_add(&loop, &other->source, other->pair[0], EPOLLIN), 0);
}

TEST(a_source_used_anew_does_not_hear_of_its_former_life)
{
	static struct end a, b;

	start();
	end_open(&a, replace_other);
	end_open(&b, replace_other);
	a.other = &b;
	b.other = &a;
	CHECK_EQ(loop_add(&loop, &a.source, a.pair[0], EPOLLIN), 0);
	CHECK_EQ(loop_add(&loop, &b.source, b.pair[0], EPOLLIN), 0);
	put_byte(&a);
	put_byte(&b);
	loop_run(&loop);
	CHECK_EQ(a.n + b.n, 1);
	end_close(&a);
	end_close(&b);
	loop_deinit(&loop);
}

TEST(what_cannot_be_watched_is_said)
{
	struct loop_source source = { .fd = -1, .ready = count };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	start();
	CHECK_EQ(loop_add(&loop, &source, fd, EPOLLIN), -EPERM);
	CHECK_EQ(source.fd, -1);
	close(fd);
	CHECK_EQ(loop_add(&loop, &source, fd, EPOLLIN), -EBADF);
	loop_deinit(&loop);
}

/* --- timers -------------------------------------------------------------------------- */

struct alarm {
	struct loop_timer timer;
	struct alarm *other;
	unsigned n, again;
};

static void ring(struct loop_timer *timer)
{
	struct alarm *a = container_of(timer, struct alarm, timer);

	CHECK(!loop_timer_armed(timer));
	CHECK(loop_now(&loop) >= timer->at_ms);
	CHECK(loop_clock_ms() >= timer->at_ms);
	a->n++;
	if (a->other)
		loop_timer_disarm(&a->other->timer);
	if (a->again) {
		a->again--;
		loop_timer_arm(&loop, timer, 0);
	}
}

static void ring_and_stop(struct loop_timer *timer)
{
	ring(timer);
	loop.stop = true;
}

TEST(timers_end_once_and_not_early)
{
	struct alarm a[3] = { 0 }, last = { 0 };

	start();
	for (unsigned i = 0; i < 3; i++) {
		loop_timer_init(&a[i].timer, ring);
		CHECK(!loop_timer_armed(&a[i].timer));
	}
	loop_timer_init(&last.timer, ring_and_stop);
	loop_timer_arm(&loop, &last.timer, 40);
	loop_timer_arm(&loop, &a[0].timer, 20);
	loop_timer_arm(&loop, &a[1].timer, 1);
	loop_timer_arm(&loop, &a[2].timer, -5);
	loop_run(&loop);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(a[i].n, 1);
	CHECK_EQ(last.n, 1);
	loop_deinit(&loop);
}

TEST(a_timer_armed_again_has_its_new_time_only)
{
	struct alarm a = { 0 }, stop = { 0 };

	start();
	loop_timer_init(&a.timer, ring);
	loop_timer_init(&stop.timer, ring_and_stop);
	loop_timer_arm(&loop, &a.timer, 0);
	loop_timer_arm(&loop, &a.timer, 100000);
	loop_timer_arm(&loop, &stop.timer, 5);
	loop_run(&loop);
	CHECK_EQ(a.n, 0);
	CHECK(loop_timer_armed(&a.timer));

	/* And to an earlier one: the loop must not sleep for the first. */
	loop.stop = false;
	a.timer.expired = ring_and_stop;
	loop_timer_arm(&loop, &a.timer, 1);
	loop_run(&loop);
	CHECK_EQ(a.n, 1);
	loop_deinit(&loop);
}

TEST(a_timer_may_disarm_another_that_is_due)
{
	struct alarm a = { 0 }, b = { 0 }, stop = { 0 };

	start();
	a.other = &b;
	b.other = &a;
	loop_timer_init(&a.timer, ring);
	loop_timer_init(&b.timer, ring);
	loop_timer_init(&stop.timer, ring_and_stop);
	loop_timer_arm(&loop, &a.timer, 0);
	loop_timer_arm(&loop, &b.timer, 0);
	loop_timer_arm(&loop, &stop.timer, 0);
	loop_run(&loop);
	CHECK_EQ(a.n + b.n, 1);
	loop_timer_disarm(&a.timer);
	loop_timer_disarm(&b.timer);
	loop_deinit(&loop);
}

/* A handler that wants to go on at once must not keep the descriptors from their turn. */
TEST(a_timer_armed_in_its_own_handler_waits_for_the_next_turn)
{
	struct alarm a = { .again = UINT32_MAX };
	struct end e;

	start();
	end_open(&e, count);
	CHECK_EQ(loop_add(&loop, &e.source, e.pair[0], EPOLLIN), 0);
	put_byte(&e);
	loop_timer_init(&a.timer, ring);
	loop_timer_arm(&loop, &a.timer, 0);
	loop_run(&loop);
	CHECK_EQ(e.n, 1);
	CHECK(a.n <= 2);
	CHECK(loop_timer_armed(&a.timer));
	end_close(&e);
	loop_deinit(&loop);
}

static void arm_other(struct loop_timer *timer)
{
	struct alarm *a = container_of(timer, struct alarm, timer);

	a->n++;
	loop_timer_arm(&loop, &a->other->timer, 1);
}

TEST(a_timer_may_arm_another)
{
	struct alarm a = { 0 }, b = { 0 };

	start();
	a.other = &b;
	loop_timer_init(&a.timer, arm_other);
	loop_timer_init(&b.timer, ring_and_stop);
	loop_timer_arm(&loop, &a.timer, 0);
	loop_run(&loop);
	CHECK_EQ(a.n, 1);
	CHECK_EQ(b.n, 1);
	loop_deinit(&loop);
}

static unsigned n_rung;

static void ring_in_order(struct loop_timer *timer)
{
	container_of(timer, struct alarm, timer)->n = n_rung++;
}

TEST(timers_that_are_due_at_once_end_in_their_order)
{
	struct alarm a[20], stop = { 0 };

	start();
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++) {
		loop_timer_init(&a[i].timer, ring_in_order);
		loop_timer_arm(&loop, &a[i].timer, 19 - i / 2 * 2);
	}
	loop_timer_init(&stop.timer, ring_and_stop);
	loop_timer_arm(&loop, &stop.timer, 20);
	while (loop_clock_ms() < stop.timer.at_ms)
		;
	loop_run(&loop);
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++) /* of the same time: as they were armed */
		CHECK_EQ(a[i].n, 18 - i / 2 * 2 + i % 2);
	loop_deinit(&loop);
}

/* --- its own turns -------------------------------------------------------------------- */

static struct {
	unsigned n;
	uint64_t ns;
	struct loop_noted noted;
} told;

static void tell_late(struct loop *l, uint64_t ns, const struct loop_noted *noted)
{
	CHECK(l == &loop);
	told.n++;
	told.ns = ns;
	told.noted = *noted;
}

static void block_for(int64_t ms)
{
	int64_t end = loop_clock_ms() + ms;

	while (loop_clock_ms() < end)
		;
}

static void sleep_noted(struct loop_timer *timer)
{
	loop_note(&loop, "long");
	loop_note(&loop, "a part of it"); /* the first says more */
	ring(timer);
	block_for(LOOP_LATE_MS + 10);
}

static void note_short(struct loop_timer *timer)
{
	loop_note(&loop, "short");
	ring_and_stop(timer);
}

TEST(a_turn_is_measured_and_a_late_one_is_told)
{
	struct alarm a = { 0 }, stop = { 0 };

	start();
	loop.late = tell_late;
	loop_timer_init(&a.timer, sleep_noted);
	loop_timer_init(&stop.timer, note_short);
	loop_timer_arm(&loop, &a.timer, 0);
	loop_timer_arm(&loop, &stop.timer, LOOP_LATE_MS); /* in the turn after that */
	loop_run(&loop);
	CHECK_EQ(told.n, 1);
	CHECK(told.ns > LOOP_LATE_MS * (uint64_t)NSEC_PER_MSEC);
	CHECK_STR(told.noted.longest, "long");
	CHECK(told.noted.longest_ns <= told.ns);
	CHECK_EQ(loop.turns.longest_ns, told.ns);
	CHECK_EQ(loop.turns.took.count[handoff_page_bucket(told.ns)], 1);
	loop_deinit(&loop);
}

/* --- edges --------------------------------------------------------------------------- */

static void count_only(struct loop_source *source, uint32_t events)
{
	(void)events;
	container_of(source, struct end, source)->n++;
}

/* Runs the loop until nothing happens any more: a timer that is behind all events of its turn. */
static void run_until_quiet(void)
{
	struct alarm stop = { 0 };

	loop_timer_init(&stop.timer, ring_and_stop);
	loop.stop = false;
	loop_timer_arm(&loop, &stop.timer, 5);
	loop_run(&loop);
}

TEST(an_edge_is_reported_once_and_a_repeated_modify_asks_again)
{
	struct end e;

	start();
	end_open(&e, count_only);
	CHECK_EQ(loop_add(&loop, &e.source, e.pair[0], 0), 0);
	run_until_quiet();
	CHECK_EQ(e.n, 0);
	for (unsigned i = 1; i <= 3; i++) {
		loop_modify(&loop, &e.source, EPOLLOUT | EPOLLET);
		run_until_quiet();
		CHECK_EQ(e.n, i);
	}
	loop_modify(&loop, &e.source, 0);
	run_until_quiet();
	CHECK_EQ(e.n, 3);
	end_close(&e);
	loop_deinit(&loop);
}

/* --- signals ------------------------------------------------------------------------- */

TEST(signals_come_through_the_loop)
{
	start();
	raise(SIGUSR1);
	raise(SIGUSR2);
	raise(SIGUSR2);
	CHECK_EQ(n_signals[SIGUSR1] + n_signals[SIGUSR2], 0);
	loop_run(&loop);
	CHECK_EQ(n_signals[SIGUSR1], 1);
	CHECK_EQ(n_signals[SIGUSR2], 1);
	loop_deinit(&loop);
}

TEST(a_signal_that_comes_while_another_is_handled_was_heard)
{
	start();
	raises = true;
	raise(SIGUSR1);
	loop_run(&loop);
	CHECK(raised_ms && loop.heard_ms >= raised_ms);
	loop_deinit(&loop);
}

TEST(its_descriptors_are_close_on_exec)
{
	start();
	CHECK(fcntl(loop.epoll_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(loop.signal_fd, F_GETFD) & FD_CLOEXEC);
	loop_deinit(&loop);
}

TAP_MAIN()
