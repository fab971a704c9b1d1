#include "aside.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/strlist.h"
#include "sys/program.h"
#include "sys/spawn.h"
#include "worker/command.h"
#include "worker/output.h"

struct aside {
	struct worker *worker;
	pid_t pid;
	int pidfd;		       /* while this says that it lives, pid may be signalled */
	int status_fd;		       /* its processes have the other end */
	struct loop_source end_source; /* on status_fd */
	struct loop_timer limit;
	int64_t started_ms;
	char refusal[256]; /* why it was not executed */
	aside_fn *ended;
};

void aside_cancel(struct worker *w)
{
	struct aside *a = w->aside;

	if (!a)
		return;
	w->aside = NULL;
	loop_remove(worker_loop(w), &a->end_source);
	loop_timer_disarm(&a->limit);
	if (a->pid && spawn_kill_pidfd(a->pidfd, 0) == 0)
		(void)spawn_kill_group(a->pid, SIGKILL);
	fd_closep(&a->pidfd);
	fd_closep(&a->status_fd);
	free(a);
}

static void end(struct aside *a, bool in_time)
{
	struct worker *w = a->worker;
	int64_t ms = loop_now(worker_loop(w)) - a->started_ms;
	aside_fn *ended = a->ended;
	STRBUF(output, LINES_TAIL + 1);

	worker_output_read_last(w);
	strbuf_add(&output, a->refusal);
	strbuf_add_bytes(&output, w->lines.tail, w->lines.n_tail);
	aside_cancel(w);
	ended(w, in_time, ms, output.text);
}

static void limit_expired(struct loop_timer *timer)
{
	end(container_of(timer, struct aside, limit), false);
}

static void status_ready(struct loop_source *source, uint32_t events)
{
	struct aside *a = container_of(source, struct aside, end_source);
	char refusal[sizeof(a->refusal)] = "";

	(void)events;
	if (read(a->status_fd, refusal, sizeof(refusal) - 1) > 0)
		memcpy(a->refusal, refusal, sizeof(refusal));
	else
		end(a, true);
}

/* The words of @command, with the pid of @w. 0 or -errno. */
static int fill_in(const struct worker *w, char *const *command, char ***ret)
{
	int r = strlist_init(ret);
	STRBUF(pid, 16);

	strbuf_addf(&pid, "%d", (int)w->pid);
	for (; r == 0 && *command; command++) {
		STRBUF(word, 4096);

		strbuf_add_filled(&word, *command, "{pid}", pid.text);
		r = word.cut ? -E2BIG : strlist_append(ret, word.text);
	}
	return r;
}

static int launch(struct aside *a, char *const *argv, struct strbuf *error)
{
	const struct service_conf *sc = a->worker->conf;
	struct launch_words env = { 0 };
	_cleanup_fd_ int output = -1;
	char program[PATH_MAX];
	struct user_info user;
	struct spawn_request req = { .program = program, .argv = argv };
	int r = user_lookup(sc->user, sc->group, &user, error);

	if (r == 0)
		r = worker_output_join(a->worker, &output);
	if (r < 0)
		return r;
	launch_environment(&user, sc, &env);
	r = env.failed ? -ENOMEM
		       : program_find(argv[0], launch_value(&env, "PATH"), conf_directory(sc), program);
	req.envp = env.v;
	req.directory = conf_directory(sc);
	req.output_fd = output;
	req.ids = &user.ids;
	req.nofile = a->worker->terms->broker->launch.nofile;
	if (r == 0)
		r = spawn_worker(&req, &a->pid, &a->status_fd);
	launch_words_deinit(&env);
	return r;
}

static int start(struct aside *a, char *const *command, struct strbuf *error)
{
	struct worker *w = a->worker;
	char **argv = NULL;
	int r = fill_in(w, command, &argv);

	w->lines.n_tail = 0;
	if (r == 0)
		r = launch(a, argv, error);
	strlist_free(argv);
	if (r < 0)
		return error->len ? r : strbuf_fail(error, r, "%s: %m", command[0]);
	a->pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	return loop_add(worker_loop(w), &a->end_source, a->status_fd, EPOLLIN);
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
	a->pidfd = a->status_fd = -1;
	a->end_source = (struct loop_source){ .fd = -1, .ready = status_ready };
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
