#include "aside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/strlist.h"
#include "sys/spawn.h"
#include "worker/command.h"
#include "worker/output.h"

struct aside {
	struct worker *worker;
	pid_t pid;
	int pidfd;     /* while this says that it lives, pid may be signalled */
	int output_fd; /* its processes have the other end */
	struct loop_source output_source;
	struct loop_timer limit;
	int64_t started_ms;
	aside_fn *ended;
};

void aside_cancel(struct worker *w)
{
	struct aside *a = w->aside;

	if (!a)
		return;
	w->aside = NULL;
	loop_remove(worker_loop(w), &a->output_source);
	loop_timer_disarm(&a->limit);
	if (a->pid && spawn_kill_pidfd(a->pidfd, 0) == 0)
		(void)spawn_kill_group(a->pid, SIGKILL);
	pid_set_remove(&w->terms->broker->started, a->pid);
	fd_closep(&a->pidfd);
	fd_closep(&a->output_fd);
	free(a);
}

static void end(struct aside *a, bool in_time)
{
	struct worker *w = a->worker;
	int64_t ms = loop_now(worker_loop(w)) - a->started_ms;
	aside_fn *ended = a->ended;
	STRBUF(output, LINES_TAIL + 1);

	worker_output_feed(w, "\n", w->lines.n > 0);
	strbuf_add_bytes(&output, w->lines.tail, w->lines.n_tail);
	aside_cancel(w);
	ended(w, in_time, ms, output.text);
}

static void limit_expired(struct loop_timer *timer)
{
	end(container_of(timer, struct aside, limit), false);
}

/* As little in a turn of the loop as of a worker: see worker/output.c. */
static void output_ready(struct loop_source *source, uint32_t events)
{
	struct aside *a = container_of(source, struct aside, output_source);
	char buf[512];
	ssize_t n = read(a->output_fd, buf, sizeof(buf));

	(void)events;
	if (n > 0)
		worker_output_feed(a->worker, buf, (size_t)n);
	else if (n == 0)
		end(a, true);
}

/* The words of @command, with the pid of @w. 0 or -errno. */
static int fill_in(const struct worker *w, char *const *command, char ***ret)
{
	STRBUF(pid, 16);
	int r = 0;

	strbuf_addf(&pid, "%d", (int)w->pid);
	for (; r == 0 && *command; command++) {
		STRBUF(word, 4096);

		strbuf_add_filled(&word, *command, "{pid}", pid.text);
		r = word.cut ? -E2BIG : strlist_append(ret, word.text);
	}
	return r;
}

static int start(struct aside *a, char *const *command, struct strbuf *error)
{
	struct worker *w = a->worker;
	char **words = NULL;
	int r = fill_in(w, command, &words);

	w->lines.n_tail = 0;
	if (r == 0)
		r = launch_helper(w, words, &a->pid, &a->output_fd, error);
	strlist_free(words);
	if (r < 0)
		return error->len ? r : strbuf_fail(error, r, "%m");
	(void)pid_set_add(&w->terms->broker->started, a->pid);
	a->pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	return loop_add(worker_loop(w), &a->output_source, a->output_fd, EPOLLIN);
}

int aside_start(struct worker *w, char *const *command, int64_t limit_ms, aside_fn *ended,
		struct strbuf *error)
{
	struct aside *a = calloc(1, sizeof(*a));
	int r;

	assert(!w->aside);
	if (!a)
		return strbuf_fail(error, -ENOMEM, "%m");
	a->worker = w;
	a->pidfd = a->output_fd = -1;
	a->output_source = (struct loop_source){ .fd = -1, .ready = output_ready };
	a->started_ms = loop_now(worker_loop(w));
	a->ended = ended;
	loop_timer_init(&a->limit, limit_expired);
	w->aside = a;
	r = start(a, command, error);
	if (r < 0)
		aside_cancel(w);
	else
		loop_timer_arm(worker_loop(w), &a->limit, limit_ms);
	return r;
}
