/*
 * The broker's side of the keeper (sys/keeper.h): tells it whom it would have to end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "core/master.h"
#include "sys/keeper.h"
#include "sys/log.h"
#include "sys/spawn.h"

static void tell(struct master *m, const struct keeper_entry *entry)
{
	if (m->keeper_fd < 0)
		return;
	/* Non-blocking: a stopped keeper must not stop the broker. What it misses it misses. */
	if (write(m->keeper_fd, entry, sizeof(*entry)) < 0)
		log_event(LEVEL_WARN, "keeper", LOG_INT("pid", m->keeper_pid),
			  LOG_MSG("the keeper does not listen: %s", strerror(errno)));
}

void guard_add(struct master *m, const struct worker *w, pid_t pid)
{
	const struct keeper_entry entry = {
		.pid = pid,
		.stop_signal = w->conf->stop_signal,
		.drain_ms = w->conf->drain_timeout_ms,
		.stop_ms = w->conf->stop_timeout_ms,
	};

	tell(m, &entry);
}

void guard_remove(struct master *m, pid_t pid)
{
	const struct keeper_entry entry = { .pid = pid };

	tell(m, &entry);
}

int guard_start(struct master *m)
{
	_cleanup_fd_ int read_end = -1, write_end = -1;
	const struct service *s;
	const struct worker *w;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = ends[1];
	if (fcntl(write_end, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = spawn_helper(keeper_run, read_end, NULL, &m->keeper_pid);
	if (r < 0)
		return r;
	m->keeper_fd = fd_take(&write_end);
	list_for_each (s, &m->services, link)
		list_for_each (w, &s->workers, link)
			if (w->pid)
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
