#include "tree.h"

#include <errno.h>

static void add_figures(struct tree_walk *w, pid_t pid)
{
	const struct proc_stat stat = proc_stat(pid);

	w->rss_bytes += stat.rss_bytes;
	w->cpu_ms += stat.cpu_ms;
	if (!w->tracer)
		w->tracer = proc_status(pid).tracer;
}

/* One descriptor of @pid. Returns whether there is another one to be looked at. */
static bool look_at_descriptor(struct tree_walk *w, pid_t pid)
{
	struct sockdiag_socket *s;
	uint64_t inode;
	int fd, r;

	if (!w->dir)
		w->dir = proc_fds_open(pid);
	r = proc_fds_next(w->dir, &fd, &inode);
	if (r > 0) {
		s = inode ? sockdiag_get(w->connections, inode) : NULL;
		if (s && s->mark != w->mark) { /* else it is of a fork, or a copy */
			s->mark = w->mark;
			w->open++;
			w->last = (struct proc_fd){ pid, fd, inode };
		}
		return true;
	}
	if (r < 0 && r != -ENOENT && r != -ESRCH) /* it has not just ended */
		w->open = r;
	return false;
}

static int take_step(struct tree_walk *w)
{
	pid_t pid;
	int r;

	if (w->at == w->pids.n)
		return w->missing;
	pid = w->pids.pids[w->at];
	if (!w->in_threads) {
		if (w->connections && !w->mark)
			w->mark = ++w->connections->marks;
		if (w->connections && w->open >= 0 && look_at_descriptor(w, pid))
			return 1;
		dir_close(&w->dir);
		if (w->figures)
			add_figures(w, pid);
		w->in_threads = true;
		w->dir = proc_threads_open(pid);
	}
	r = proc_threads_next(w->dir, pid, &w->pids);
	if (r > 0)
		return r;
	if (r < 0)
		w->missing = r;
	dir_close(&w->dir);
	w->in_threads = false;
	w->at++;
	return 1;
}

int tree_steps(struct tree_walk *w, size_t n)
{
	int r = 1;

	while (r > 0 && n--)
		r = take_step(w);
	return r;
}

void tree_end(struct tree_walk *w)
{
	dir_close(&w->dir);
	pid_set_deinit(&w->pids);
	*w = (struct tree_walk){ 0 };
}
