#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include "sys/log.h"
#include "sys/proc_fds.h"
#include "sys/spawn.h"

int worker_processes(const struct worker *w, struct pid_set *ret)
{
	int r = 0;

	if (w->pid)
		r = pid_set_add(ret, w->pid);
	for (size_t i = 0; r == 0 && i < w->kin.n; i++)
		r = pid_set_add(ret, w->kin.pids[i]);
	return r < 0 ? r : proc_add_descendants(ret);
}

/* --- what the kernel says of them ------------------------------------------------------ */

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
	*f = (struct worker_findings){ .round = f->round, .open = f->open };
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

/* --- told to end ----------------------------------------------------------------------- */

static void signal_pid(const struct worker *w, pid_t pid, int sig)
{
	int r = spawn_kill(pid, sig);

	if (r < 0 && r != -ESRCH)
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, pid),
			  LOG_MSG("cannot send signal %d to process %d: %s", sig, (int)pid,
				  strerror(-r)));
}

void worker_tell_drain(struct worker *w)
{
	int sig = w->terms->live->drain_signal;

	if (sig && w->pid && !w->guest)
		signal_pid(w, w->pid, sig);
}

static void tell_to_end(const struct worker *w, pid_t pid)
{
	signal_pid(w, pid, w->terms->live->stop_signal);
	/* A stopped process would get it only when it is continued. */
	if (proc_state(pid) == 'T')
		signal_pid(w, pid, SIGCONT);
}

void worker_signal_kin(struct worker *w, const struct pid_set *told)
{
	for (size_t i = 0; i < w->kin.n; i++)
		if (!pid_set_has(told, w->kin.pids[i]))
			tell_to_end(w, w->kin.pids[i]);
}

void worker_signal(struct worker *w)
{
	assert(!w->guest);
	if (w->pid)
		tell_to_end(w, w->pid);
	else
		worker_signal_kin(w, &(struct pid_set){ 0 });
}

void worker_kill(struct worker *w)
{
	_cleanup_pids_ struct pid_set all = { 0 };

	assert(!w->guest);
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		signal_pid(w, all.pids[i], SIGKILL);
}
