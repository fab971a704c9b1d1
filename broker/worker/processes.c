#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include "handoff_name.h"
#include "sys/log.h"
#include "sys/spawn.h"

bool worker_owns_child(const struct worker *w, pid_t pid)
{
	char token[2 * HANDOFF_TOKEN_SIZE + 1] = "";
	struct channel *c;

	if (pid == w->pid || pid_set_has(&w->kin, pid))
		return true;
	list_for_each (c, &w->taker.channels, link)
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
	signal_pid(w, pid, w->terms->live->stop_signal);
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
	_cleanup_pids_ struct pid_set all = { 0 };

	assert(!w->guest);
	(void)worker_processes(w, &all);
	for (size_t i = 0; i < all.n; i++)
		signal_pid(w, all.pids[i], SIGKILL);
}
