#include "helper.h"

#include <signal.h>
#include <unistd.h>
#include "base/fd.h"
#include "sys/spawn.h"
#include "worker/command.h"

/* As little in a turn of the loop as of a worker: see worker/output.c. */
#define OUTPUT_TURN 512
#define PIPE_BYTES  (64 << 10)

static bool read_output(struct helper *h)
{
	char buf[OUTPUT_TURN];
	ssize_t n = read(h->fd, buf, sizeof(buf));

	if (n > 0)
		h->wrote(h->worker, buf, (size_t)n);
	return n > 0;
}

/* Its end is told by its exit. */
static void output_ready(struct loop_source *source, uint32_t events)
{
	struct helper *h = container_of(source, struct helper, source);

	if (!read_output(h) && (events & (EPOLLHUP | EPOLLERR)))
		loop_remove(worker_loop(h->worker), source);
}

static void forget(struct helper *h)
{
	loop_remove(worker_loop(h->worker), &h->source);
	loop_timer_disarm(&h->limit);
	fd_closep(&h->fd);
	pid_set_remove(&h->worker->terms->broker->started, h->pid);
	h->pid = 0;
}

void helper_kill(struct helper *h)
{
	if (!h->pid)
		return;
	(void)spawn_kill_group(h->pid, SIGKILL);
	forget(h);
}

bool helper_reaped(struct helper *h, pid_t pid, int status)
{
	if (h->pid != pid)
		return false;
	/* All that a pipe holds, and no more: what it has started may go on writing into it. */
	for (int i = 0; i < PIPE_BYTES / OUTPUT_TURN && read_output(h); i++)
		;
	forget(h);
	h->ended(h->worker, status);
	return true;
}

static void limit_expired(struct loop_timer *timer)
{
	struct helper *h = container_of(timer, struct helper, limit);

	helper_kill(h);
	h->ended(h->worker, HELPER_KILLED);
}

void helper_init(struct helper *h, struct worker *w)
{
	h->worker = w;
	h->fd = -1;
	h->source = (struct loop_source){ .fd = -1, .ready = output_ready };
	loop_timer_init(&h->limit, limit_expired);
}

int helper_start(struct helper *h, char *const *words, int64_t limit_ms, struct strbuf *error)
{
	struct worker *w = h->worker;
	int r = launch_helper(w, words, &h->pid, &h->fd, error);

	if (r < 0)
		return r;
	(void)pid_set_add(&w->terms->broker->started, h->pid);
	r = loop_add(worker_loop(w), &h->source, h->fd, EPOLLIN);
	if (r < 0) {
		helper_kill(h);
		return strbuf_fail(error, r, "%m");
	}
	h->started_ms = loop_now(worker_loop(w));
	loop_timer_arm(worker_loop(w), &h->limit, limit_ms);
	return 0;
}
