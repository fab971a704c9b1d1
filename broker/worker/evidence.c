#include "evidence.h"

#include <errno.h>
#include "worker/processes.h"

struct tally {
	const struct inode_set *connections;
	unsigned n;
};

static bool tally_socket(void *arg, uint64_t inode)
{
	struct tally *t = arg;

	t->n += inode_set_has(t->connections, inode);
	return true;
}

int worker_count_connections(const struct worker *w, const struct inode_set *connections)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	struct tally t = { connections, 0 };
	int r = worker_processes(w, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		r = proc_sockets(all.pids[i], tally_socket, &t);
		if (r == -ENOENT || r == -ESRCH)
			r = 0; /* it has just ended */
	}
	return r < 0 ? r : (int)t.n;
}

void worker_look_at_processes(struct worker *w)
{
	struct worker_findings *f = &w->found;
	_cleanup_pids_ struct pid_set all = { 0 };

	if (worker_processes(w, &all) < 0)
		return;
	for (size_t i = 0; i < all.n; i++) {
		struct proc_usage usage;
		struct proc_status status;

		if (proc_usage(all.pids[i], &usage) == 0) {
			f->rss_bytes += usage.rss_bytes;
			f->cpu_ms += usage.cpu_ms;
		}
		if (!f->tracer && proc_read_status(all.pids[i], &status) == 0 && status.tracer) {
			f->tracer = status.tracer;
			proc_name(f->tracer, f->tracer_name, sizeof(f->tracer_name));
		}
	}
}
