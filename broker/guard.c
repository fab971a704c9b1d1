#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "service/types.h"
#include "sys/pair.h"
#include "sys/keeper.h"
#include "sys/log.h"
#include "sys/spawn.h"

/* No observer of guests: their processes are somebody else's to end. */
static void add(struct guard *g, const struct worker *w)
{
	const struct keeper_entry entry = {
		.pid = w->pid,
		.stop_signal = w->conf->stop_signal,
		.drain_ms = w->conf->drain_timeout_ms,
		.stop_ms = w->conf->stop_timeout_ms,
	};
	int r;

	if (g->fd < 0)
		return;
	/* Never waits: a stopped keeper must not stop the broker. What it misses it misses. */
	r = handoff_send(g->fd, &entry, sizeof(entry), &w->output_fd, w->output_fd >= 0,
			 MSG_DONTWAIT);
	if (r < 0)
		log_event(LEVEL_WARN, "keeper", LOG_INT("pid", g->pid),
			  LOG_MSG("the keeper does not respond: %s", strerror(-r)));
}

static void process(struct observer *o, const struct worker *w)
{
	add(container_of(o, struct guard, observer), w);
}

static int start(struct guard *g)
{
	_cleanup_fd_ int theirs = -1, ours = -1;
	const struct service *s;
	const struct worker *w;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	r = spawn_helper(keeper_run, theirs, &g->pid);
	if (r < 0)
		return r;
	g->fd = fd_take(&ours);
	(void)pid_set_add(&g->broker->started, g->pid);
	list_for_each (s, &g->broker->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid && !w->guest)
				add(g, w);
	return 0;
}

int guard_start(struct guard *g, struct broker *b)
{
	g->broker = b;
	g->observer.process = process;
	notice_observe(b, &g->observer);
	return start(g);
}

bool guard_reaped(struct guard *g, pid_t pid)
{
	int r;

	if (pid != g->pid)
		return false;
	pid_set_remove(&g->broker->started, pid);
	g->pid = 0;
	fd_closep(&g->fd);
	r = start(g);
	log_event(LEVEL_WARN, "keeper", LOG_INT("pid", g->pid),
		  LOG_MSG("the keeper has exited; %s",
			  r < 0 ? "a new one cannot be started" : "a new one is started"));
	return true;
}

void guard_stop(struct guard *g)
{
	pid_t pid = g->pid;

	g->pid = 0;
	fd_closep(&g->fd);
	if (!pid)
		return;
	/* It has nobody to look after any more. */
	(void)spawn_kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
