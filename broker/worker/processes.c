/*
 * The processes of a worker: which they are, how they are told to end, and what it means
 * that one has.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "service/service.h"
#include "handoff_name.h"
#include "sys/log.h"
#include "sys/spawn.h"

#define LOOK_MS 100

bool worker_owns_child(const struct worker *w, pid_t pid)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	struct channel *c;

	if (pid == w->pid || pid_set_has(&w->kin, pid))
		return true;
	list_for_each (c, &w->channels, link)
		if (proc_holds_socket(pid, c->rx_inode))
			return true;
	/* Not after setproctitle(3), which writes over it; but then it has been a child for long.
	 */
	handoff_hex_put(token, w->token, HANDOFF_TOKEN_SIZE);
	return proc_environ_has(pid, HANDOFF_ENV_TOKEN, token);
}

int worker_processes(const struct worker *w, struct pid_set *ret)
{
	int r = 0;

	if (w->pid)
		r = pid_set_add(ret, w->pid);
	for (size_t i = 0; r == 0 && i < w->kin.n; i++)
		r = pid_set_add(ret, w->kin.pids[i]);
	return r < 0 ? r : proc_add_descendants(ret);
}

static void signal_pid(const struct worker *w, pid_t pid, int sig)
{
	int r = spawn_kill(pid, sig);

	if (r < 0 && r != -ESRCH)
		log_event(LEVEL_ERROR, "worker-failed", LOG_WORKER_PID(w, pid),
			  LOG_MSG("cannot send signal %d to process %d: %s", sig, (int)pid,
				  strerror(-r)));
}

static void tell_to_end(const struct worker *w, pid_t pid)
{
	signal_pid(w, pid, worker_live_conf(w)->stop_signal);
	/* A stopped process would get it only when it is continued. */
	if (proc_state(pid) == 'T')
		signal_pid(w, pid, SIGCONT);
}

/* To main alone, which knows how to end its children; to all that is left once it is gone. */
void worker_signal(struct worker *w)
{
	assert(!w->guest);
	if (w->pid)
		tell_to_end(w, w->pid);
	for (size_t i = 0; !w->pid && i < w->kin.n; i++)
		tell_to_end(w, w->kin.pids[i]);
}

void worker_kill(struct worker *w)
{
	struct pid_set all = { 0 };

	assert(!w->guest);
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		signal_pid(w, all.pids[i], SIGKILL);
	pid_set_deinit(&all);
}

/*
 * Which of our children belong to @w now that its main process is gone. Not those that we started
 * ourselves: between fork(2) and exec(2) such a child holds copies of all our descriptors, and so
 * looks as if it belonged to every worker. False: nobody, but one
 * of them is just ending. It may have been of @w, and may leave us its own children: who
 * daemonises forks twice. When it is reaped we know. Nor if it cannot be read who there is, for
 * want of descriptors or memory: "could not look" is not "none".
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

		if (pid_set_has(&w->service->broker->started, pid))
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
		loop_timer_arm(&w->service->broker->loop, &w->look, LOOK_MS);
	return known;
}

/* The one of @w->kin that holds the listening socket, else the first: the app's new main. */
static pid_t heir(const struct worker *w)
{
	struct channel *c;

	list_for_each (c, &w->channels, link)
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
		w->exited = false;
		w->kin.n = 0;
		notice_process_started(w->service->broker, w, w->pid);
		log_event(LEVEL_INFO, "worker-daemonised", LOG_WORKER(w),
			  LOG_MSG("process %d put itself into the background as process %d",
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
	notice_process_ended(w->service->broker, w->pid);
	w->main_was = w->pid;
	w->pid = 0;
	w->state_before_exit = w->state;
	w->exit_status = status;
	w->exited = true;
	worker_output_read_last(w);
	judge_end(w);
}
