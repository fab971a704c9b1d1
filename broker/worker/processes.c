#include "processes.h"

#include "base/fd.h"
#include "dispatch/channel.h"
#include "sys/log.h"
#include "sys/starter.h"
#include "sys/tcp.h"

/* Most end by themselves. Of many threads one is woken at a time. */
#define WAKE_FIRST_MS 100
#define WAKE_NEXT_MS  10

int worker_add_roots(const struct worker *w, struct pid_set *ret)
{
	int r = 0;

	if (w->pid)
		r = pid_set_add(ret, w->pid);
	for (size_t i = 0; r == 0 && i < w->kin.n; i++)
		r = pid_set_add(ret, w->kin.pids[i]);
	return r;
}

int worker_processes(const struct worker *w, struct pid_set *ret)
{
	int r = worker_add_roots(w, ret);

	r = r < 0 ? r : proc_add_descendants(ret);
	return r == 0 && w->undecided ? -EAGAIN : r;
}

void worker_set_found(struct worker *w, const struct tree_walk *tree)
{
	w->found.rss_bytes = tree->rss_bytes;
	w->found.cpu_ms = tree->cpu_ms;
	w->found.tracer = tree->tracer;
	w->found.at_ms = loop_now(worker_loop(w));
	if (tree->tracer)
		w->found.tracer_name = proc_name(tree->tracer);
}

void worker_look_at_processes(struct worker *w)
{
	_cleanup_tree_ struct tree_walk tree = { .figures = true };

	if (!w->undecided && worker_add_roots(w, &tree.pids) == 0 &&
	    tree_steps(&tree, SIZE_MAX) == 0)
		worker_set_found(w, &tree);
}

/* --- told to end ----------------------------------------------------------------------- */

static int signal_pid(const struct worker *w, pid_t pid, int sig)
{
	int r = starter_kill(pid, false, sig);

	if (r < 0 && r != -ESRCH)
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, pid),
			  LOG_MSG("cannot send signal %d to process %d: %s%s", sig, (int)pid,
				  strerror(-r),
				  r == -EPERM ? " (it has become another user than the broker)"
					      : ""));
	return r;
}

void worker_tell_drain(struct worker *w)
{
	int sig = w->terms->live->drain_signal;

	if (sig && w->pid && !w->guest)
		(void)signal_pid(w, w->pid, sig);
}

static void tell_to_end(const struct worker *w, pid_t pid)
{
	(void)signal_pid(w, pid, w->terms->live->stop_signal);
	/* A stopped process would get it only when it is continued. */
	if (proc_stat(pid).state == 'T')
		(void)signal_pid(w, pid, SIGCONT);
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
	loop_timer_arm(worker_loop(w), &w->wake, WAKE_FIRST_MS);
}

void worker_kill(struct worker *w)
{
	_cleanup_pids_ struct pid_set all = { 0 };
	bool killed = false, refused = false;
	int r;

	assert(!w->guest);
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++) {
		r = signal_pid(w, all.pids[i], SIGKILL);
		killed = killed || r == 0;
		refused = refused || r == -EPERM;
	}
	w->beyond_us = refused && !killed;
	if (w->beyond_us)
		loop_timer_arm(worker_loop(w), &w->deadline, 0);
}

/* --- woken to see it ------------------------------------------------------------------- */

/*
 * An app that was told to end, and whose threads block in accept, wakes itself by connecting to its
 * own port. But that is the broker's: another worker gets the connection, or nobody. So the broker
 * makes one in its place, which it closes at once.
 */
static bool blocks(const struct worker *w, const struct channel *c)
{
	_cleanup_pids_ struct pid_set all = { 0 };

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		if (proc_receives(all.pids[i], c->rx_inode))
			return true;
	return false;
}

/* Whether it was woken. If not, for want of descriptors or an address, a later try may do it. */
static bool wake(struct worker *w, struct channel *c)
{
	_cleanup_fd_ int listener = -1, client = -1, fd = -1;
	struct handoff_addr peer;
	struct handoff_conn conn = { .accept_ns = loop_clock_ns() };
	int error;

	if (channel_check_waits(c, pair_waiting(c->rx)) || !blocks(w, c) ||
	    tcp_connect_to_self(c->endpoint->app_addr.family, &listener, &client, &peer) < 0 ||
	    tcp_accept(listener, 0, &fd, &conn.peer, &error) != ACCEPT_DONE ||
	    conn.peer.port != peer.port)
		return false;
	handoff_header_init(&conn.h, HANDOFF_CONN);
	if (channel_give_check(c, &conn, fd) != PAIR_SENT)
		return false;
	log_event(LEVEL_DEBUG, "worker-woken", LOG_WORKER(w),
		  LOG_MSG("waits for a connection although it was told to end: it gets one that "
			  "is closed"));
	return true;
}

void worker_wake_expired(struct loop_timer *timer)
{
	struct worker *w = container_of(timer, struct worker, wake);
	bool woken = false;

	if (w->state != WORKER_STOPPING)
		return;
	list_for_each (struct channel, c, &w->taker.channels, link)
		woken = wake(w, c) || woken;
	loop_timer_arm(worker_loop(w), &w->wake, woken ? WAKE_NEXT_MS : WAKE_FIRST_MS);
}
