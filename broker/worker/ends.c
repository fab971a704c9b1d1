#include "ends.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/notice.h"
#include "dispatch/channel.h"
#include "dispatch/endpoint.h"
#include "dispatch/flow.h"
#include "dispatch/listener.h"
#include "dispatch/taker.h"
#include "sys/log.h"
#include "worker/output.h"
#include "worker/processes.h"
#include "worker/step.h"

#define LOOK_MS	 100
#define PROBE_MS 2000

/* --- it does not listen any more ------------------------------------------------------- */

static bool holds(struct taker *t, const struct channel *c)
{
	const struct worker *w = container_of(t, struct worker, taker);
	struct pid_set all = { 0 };
	bool held = false;

	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n && !held; i++)
		held = proc_holds_socket(all.pids[i], c->rx_inode);
	pid_set_deinit(&all);
	return held;
}

/* To see whether a port is free nobody accepts. */
static bool was_probe(const struct worker *w)
{
	return w->ready_ms && loop_now(worker_loop(w)) - w->ready_ms < PROBE_MS &&
	       taker_taken(&w->taker) == 0;
}

static void lost(struct taker *t, struct channel *c)
{
	struct worker *w = container_of(t, struct worker, taker);
	struct endpoint *e = c->endpoint;
	/* Shut down, or the process that listened has ended: nobody would open it again. */
	bool for_good = c->broken || w->exited || w->moved;

	endpoint_leave(e, c);
	(void)endpoint_take_back(c, c->broken ? "the worker shut down its listening socket"
					      : "the worker closed its listening socket");
	channel_close(c);
	/* A worker that ends closes it, too, and others come for it. */
	if (worker_state_is_current(w->state) && !e->served && e->n_channels == 0)
		endpoint_unlisten(e);
	endpoint_wake(e);
	if (!list_empty(&t->channels))
		return;
	loop_timer_disarm(&w->settle);
	worker_event(w, was_probe(w) ? EV_UNLISTEN : EV_CLOSED);
	if (for_good && w->state == WORKER_CLOSED)
		worker_event(w, EV_TIMEOUT);
}

/* --- its processes --------------------------------------------------------------------- */

/*
 * Finds which of our children belong to @w now that its main process is gone. Not those that we
 * started ourselves: between fork(2) and exec(2) such a child holds copies of all our descriptors,
 * and so looks as if it belonged to every worker.
 *
 * False: not known yet. No child belongs to @w, but one is just ending: it may have been of @w,
 * and may leave us its own children, as a daemon forks twice. Its reaping will tell. The same if
 * descriptors or memory are short: "could not look" is not "none".
 */
static bool find_kin(struct worker *w)
{
	struct pid_set children = { 0 };
	bool ending = false;
	int r;

	w->kin.n = 0;
	r = proc_add_children(getpid(), &children);
	for (size_t i = 0; i < children.n; i++) {
		pid_t pid = children.pids[i];

		if (pid_set_has(&w->terms->broker->started, pid))
			continue;
		if (proc_state(pid) == 'Z' || !worker_owns_child(w, pid))
			ending = ending || proc_is_ending(pid);
		else if (pid_set_add(&w->kin, pid) < 0)
			r = -ENOMEM;
	}
	pid_set_deinit(&children);
	return w->kin.n > 0 || (r == 0 && !ending);
}

/* The end of a process is reported; the end of a shortage is not, so that it is looked again. */
static bool find_kin_or_later(struct worker *w)
{
	bool known = find_kin(w);

	if (known)
		loop_timer_disarm(&w->look);
	else
		loop_timer_arm(worker_loop(w), &w->look, LOOK_MS);
	return known;
}

/* The one of @w->kin that holds the listening socket, else the first: the app's new main. */
static pid_t heir(const struct worker *w)
{
	struct channel *c;

	list_for_each (c, &w->taker.channels, link)
		for (size_t i = 0; i < w->kin.n; i++)
			if (proc_holds_socket(w->kin.pids[i], c->rx_inode))
				return w->kin.pids[i];
	return w->kin.pids[0];
}

/* Main has ended: with the whole worker, as the first step of a daemon, or before its children? */
static void judge_end(struct worker *w)
{
	w->undecided = !find_kin_or_later(w);
	if (w->undecided)
		return;
	/*
	 * A server that daemonises: the process we started says "all is well" and leaves a child,
	 * which is ours now (PR_SET_CHILD_SUBREAPER).
	 */
	if (w->kin.n && WIFEXITED(w->exit_status) && WEXITSTATUS(w->exit_status) == 0 &&
	    worker_state_is_current(w->state)) {
		w->pid = heir(w);
		w->moved = w->ready_ms > 0;
		w->exited = false;
		w->kin.n = 0;
		notice_process_started(w->terms->broker, w, w->pid);
		log_event(LEVEL_INFO, "worker-daemonised", LOG_WORKER(w),
			  LOG_MSG("process %d moved into the background as process %d",
				  (int)w->main_was, (int)w->pid));
		return;
	}
	worker_event(w, w->kin.n ? EV_MAIN_EXIT : EV_EXIT);
}

void worker_look_for_kin(struct worker *w)
{
	if (w->pid || w->guest)
		return;
	if (w->undecided)
		judge_end(w);
	else if (find_kin_or_later(w) && w->kin.n == 0)
		worker_event(w, EV_EXIT);
}

void worker_main_exited(struct worker *w, int status)
{
	notice_process_ended(w->terms->broker, w->pid);
	w->main_was = w->pid;
	w->pid = 0;
	w->state_before_exit = w->state;
	w->exit_status = status;
	w->exited = true;
	worker_output_read_last(w);
	judge_end(w);
}

static void look_expired(struct loop_timer *timer)
{
	worker_look_for_kin(container_of(timer, struct worker, look));
}

void worker_init_ends(struct worker *w)
{
	static const struct taker_ops ops = { .holds = holds, .lost = lost };

	w->taker.ops = &ops;
	loop_timer_init(&w->look, look_expired);
}
