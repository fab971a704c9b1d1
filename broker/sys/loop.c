#include "loop.h"

#include <limits.h>
#include <sys/signalfd.h>
#include <time.h>
#include "base/fd.h"

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t loop_clock_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t loop_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t loop_clock_ms(void)
{
	return (int64_t)(loop_clock_ns() / NSEC_PER_MSEC);
}

static void signals_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = container_of(source, struct loop, signal_source);
	struct signalfd_siginfo info;
	int64_t now = loop_clock_ms();

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		loop->signalled(loop, (int)info.ssi_signo);
		now = loop_clock_ms(); /* others may have come meanwhile, and are read as well */
	}
	loop->heard_ms = now;
}

static struct loop_timer *timer_of(struct heap_node *node)
{
	return node ? container_of(node, struct loop_timer, node) : NULL;
}

static bool expires_before(struct heap_node *a, struct heap_node *b)
{
	const struct loop_timer *s = timer_of(a), *t = timer_of(b);

	return s->at_ms != t->at_ms ? s->at_ms < t->at_ms : s->number < t->number;
}

int loop_init(struct loop *loop, const int *handled, size_t n,
	      void (*signalled)(struct loop *loop, int signo))
{
	sigset_t mask;
	int r;

	*loop = (struct loop){
		.epoll_fd = -1,
		.signal_fd = -1,
		.signal_source = { .fd = -1, .ready = signals_ready },
		.signalled = signalled,
		.timers = { .before = expires_before },
		.now_ms = loop_clock_ms(),
		.heard_ms = loop_clock_ms(),
	};
	sigemptyset(&mask);
	for (size_t i = 0; i < n; i++)
		sigaddset(&mask, handled[i]);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return -errno;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	r = loop->signal_fd < 0 ? -errno
				: loop_add(loop, &loop->signal_source, loop->signal_fd, EPOLLIN);
	if (r < 0)
		loop_deinit(loop);
	return r;
}

void loop_deinit(struct loop *loop)
{
	fd_closep(&loop->signal_fd);
	fd_closep(&loop->epoll_fd);
}

int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	if (!loop->dry && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	source->fd = fd;
	source->events = events;
	loop->touched = true;
	return 0;
}

void loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	/*
	 * No shortcut for "unchanged": with EPOLLET a repeated MOD is what asks for the
	 * present state once more.
	 */
	if (!loop->dry && epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev) < 0)
		assert(!"EPOLL_CTL_MOD of a watched descriptor failed");
	source->events = events;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	loop->touched = true;
	source->fd = -1;
	for (int i = 0; i < loop->n_batch; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

void loop_timer_init(struct loop_timer *timer, void (*expired)(struct loop_timer *timer))
{
	*timer = (struct loop_timer){ .expired = expired };
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	loop_timer_disarm(timer);
	timer->loop = loop;
	timer->at_ms = loop->now_ms + (delay_ms > 0 ? delay_ms : 0);
	timer->number = loop->n_armed++;
	heap_insert(&loop->timers, &timer->node);
}

void loop_timer_disarm(struct loop_timer *timer)
{
	if (loop_timer_armed(timer))
		heap_remove(&timer->loop->timers, &timer->node);
}

int64_t loop_timer_at(const struct loop_timer *timer)
{
	return loop_timer_armed(timer) ? timer->at_ms : 0;
}

void loop_timer_resume(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	if (at_ms)
		loop_timer_arm(loop, timer, at_ms - loop->now_ms);
}

void loop_note(struct loop *loop, const char *what)
{
	if (loop->noted.what)
		return;
	loop->noted.what = what;
	loop->noted.since_ns = loop_clock_ns();
}

static void end_note(struct loop *loop)
{
	struct loop_noted *n = &loop->noted;
	uint64_t ns;

	if (!n->what)
		return;
	ns = loop_clock_ns() - n->since_ns;
	if (ns >= n->longest_ns) {
		n->longest_ns = ns;
		n->longest = n->what;
	}
	n->what = NULL;
}

/* Those that a handler arms meanwhile have their turn in the next turn, however soon they expire.
 */
static void run_timers(struct loop *loop)
{
	uint64_t end = loop->n_armed;
	struct loop_timer *timer;

	while ((timer = timer_of(loop->timers.root)) && timer->at_ms <= loop->now_ms &&
	       timer->number < end) {
		heap_remove(&loop->timers, &timer->node);
		loop->touched |= !timer->quiet;
		timer->expired(timer);
		end_note(loop);
	}
}

/* From the end of this turn, at @now_ms. */
static int wait_ms(const struct loop *loop, int64_t now_ms)
{
	const struct loop_timer *timer = timer_of(loop->timers.root);
	int64_t left;

	if (!timer)
		return -1;
	left = timer->at_ms - now_ms;
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void loop_settle(struct loop *loop)
{
	if (loop->settle)
		loop->settle(loop);
	loop->touched = true; /* the handler goes on */
}

#define CATCH_UP_TURNS 64

/* Whether it comes late. */
static bool begin_turn(struct loop *loop)
{
	const struct loop_timer *timer = timer_of(loop->timers.root);
	int64_t late;

	loop->turn_ns = loop_clock_ns();
	loop->now_ms = (int64_t)(loop->turn_ns / NSEC_PER_MSEC) - loop->given_ms;
	late = timer ? loop->now_ms - timer->at_ms : 0;
	if (late <= LOOP_LATE_MS)
		return false;
	loop->given_ms += late;
	loop->now_ms -= late;
	loop->behind = CATCH_UP_TURNS;
	return true;
}

/* How long to wait for the next. */
static int end_turn(struct loop *loop)
{
	uint64_t now = loop_clock_ns(), ns = now - loop->turn_ns;

	histogram_add(&loop->turns.took, ns);
	if (ns > loop->turns.longest_ns)
		loop->turns.longest_ns = ns;
	if (ns > LOOP_LATE_MS * NSEC_PER_MSEC && loop->late)
		loop->late(loop, ns, &loop->noted);
	loop->noted = (struct loop_noted){ 0 };
	return loop->behind ? 0 : wait_ms(loop, (int64_t)(now / NSEC_PER_MSEC) - loop->given_ms);
}

void loop_run(struct loop *loop)
{
	(void)begin_turn(loop);
	while (!loop->stop) {
		int n, wait;
		bool late;

		if (loop->turn)
			loop->turn(loop);
		wait = end_turn(loop);
		n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait);
		late = begin_turn(loop);
		if (n < 0) {
			/*
			 * All else would be a mistake of ours. A tracer that lets go in the middle
			 * of a call that it tampers with (strace -e inject) leaves ENOSYS.
			 */
			assert(errno == EINTR || errno == ENOSYS);
			continue;
		}
		loop->n_batch = n;
		for (int i = 0; i < n; i++) {
			struct loop_source *source = loop->batch[i].data.ptr;

			if (!source)
				continue;
			loop->touched |= !source->quiet;
			source->ready(source, loop->batch[i].events);
			end_note(loop);
		}
		loop->n_batch = 0;
		/* If it was late, then maybe with the answer that nothing had happened in hand. */
		loop->behind = (n || late) && loop->behind ? loop->behind - 1 : 0;
		if (!loop->behind)
			run_timers(loop);
	}
}
