#include "loop.h"

#include <assert.h>
#include <limits.h>
#include <sys/signalfd.h>
#include <time.h>
#include "base/fd.h"

uint64_t loop_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t loop_clock_ms(void)
{
	return (int64_t)(loop_clock_ns() / NSEC_PER_MSEC);
}

static void signals_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = container_of(source, struct loop, signal_source);
	struct signalfd_siginfo info;

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signalled(loop, (int)info.ssi_signo);
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
		.timers = LIST_INIT(loop->timers),
		.earliest_ms = INT64_MAX,
		.now_ms = loop_clock_ms(),
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

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	source->fd = fd;
	source->events = events;
	return 0;
}

void loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	/*
	 * No shortcut for "unchanged": with EPOLLET a repeated MOD is what asks for the
	 * present state once more.
	 */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev) < 0)
		assert(!"EPOLL_CTL_MOD of a watched descriptor failed");
	source->events = events;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	if (source->fd < 0)
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
	for (int i = 0; i < loop->n_batch; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

void loop_timer_init(struct loop_timer *timer, void (*expired)(struct loop_timer *timer))
{
	list_init(&timer->link);
	timer->at_ms = 0;
	timer->expired = expired;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	list_remove(&timer->link);
	timer->at_ms = loop->now_ms + (delay_ms > 0 ? delay_ms : 0);
	list_append(&loop->timers, &timer->link);
	if (timer->at_ms < loop->earliest_ms)
		loop->earliest_ms = timer->at_ms;
}

void loop_timer_disarm(struct loop_timer *timer)
{
	list_remove(&timer->link);
}

/*
 * Timers are few (deadlines of workers that are not simply serving), so a list is
 * walked rather than a heap kept; and only when the earliest may have come.
 */
static void run_timers(struct loop *loop)
{
	struct list due = LIST_INIT(due);
	struct loop_timer *timer, *tmp;

	if (loop->now_ms < loop->earliest_ms)
		return;
	loop->earliest_ms = INT64_MAX;
	list_for_each_safe (timer, tmp, &loop->timers, link) {
		if (timer->at_ms <= loop->now_ms) {
			list_remove(&timer->link);
			list_append(&due, &timer->link);
		} else if (timer->at_ms < loop->earliest_ms) {
			loop->earliest_ms = timer->at_ms;
		}
	}
	/* One by one from the front: a handler may disarm the others. */
	while ((timer = list_first(&due, struct loop_timer, link))) {
		list_remove(&timer->link);
		timer->expired(timer);
	}
}

static int wait_ms(const struct loop *loop)
{
	int64_t left;

	if (loop->earliest_ms == INT64_MAX)
		return -1;
	left = loop->earliest_ms - loop->now_ms;
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

void loop_run(struct loop *loop)
{
	while (!loop->stop) {
		int n;

		if (loop->turn)
			loop->turn(loop);
		n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, wait_ms(loop));
		loop->now_ms = loop_clock_ms();
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

			if (source)
				source->ready(source, loop->batch[i].events);
		}
		loop->n_batch = 0;
		run_timers(loop);
	}
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}
