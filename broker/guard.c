/*
 * The broker's side of the keeper (sys/keeper.h): tells it whom it would have to end.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "core/master.h"
#include "sys/fdpass.h"
#include "sys/keeper.h"
#include "sys/log.h"
#include "sys/spawn.h"

static void tell(struct master *m, const struct keeper_entry *entry, int output_fd)
{
	ssize_t n;

	if (m->keeper_fd < 0)
		return;
	/* Never waits: a stopped keeper must not stop the broker. What it misses it misses. */
	n = fdpass_send(m->keeper_fd, entry, sizeof(*entry), &output_fd, output_fd >= 0);
	if (n < 0)
		log_event(LEVEL_WARN, "keeper", LOG_INT("pid", m->keeper_pid),
			  LOG_MSG("the keeper does not listen: %s", strerror((int)-n)));
}

void guard_add(struct master *m, const struct worker *w, pid_t pid)
{
	const struct keeper_entry entry = {
		.pid = pid,
		.stop_signal = w->conf->stop_signal,
		.drain_ms = w->conf->drain_timeout_ms,
		.stop_ms = w->conf->stop_timeout_ms,
	};

	tell(m, &entry, w->output_fd);
}

void guard_remove(struct master *m, pid_t pid)
{
	const struct keeper_entry entry = { .pid = pid };

	tell(m, &entry, -1);
}

int guard_start(struct master *m)
{
	_cleanup_fd_ int theirs = -1, ours = -1;
	const struct service *s;
	const struct worker *w;
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	theirs = ends[0];
	ours = ends[1];
	r = spawn_helper(keeper_run, theirs, NULL, &m->keeper_pid);
	if (r < 0)
		return r;
	m->keeper_fd = fd_take(&ours);
	list_for_each (s, &m->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid && !w->guest)
				guard_add(m, w, w->pid);
	return 0;
}

bool guard_reaped(struct master *m, pid_t pid)
{
	int r;

	if (pid != m->keeper_pid)
		return false;
	m->keeper_pid = 0;
	fd_closep(&m->keeper_fd);
	r = guard_start(m);
	log_event(LEVEL_WARN, "keeper", LOG_INT("pid", m->keeper_pid),
		  LOG_MSG("the keeper has ended; %s",
			  r < 0 ? "a new one cannot be started" : "a new one is started"));
	return true;
}

void guard_stop(struct master *m)
{
	pid_t pid = m->keeper_pid;

	m->keeper_pid = 0;
	fd_closep(&m->keeper_fd);
	if (!pid)
		return;
	/* It has nobody to look after any more. */
	(void)spawn_kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
