#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include "base/fd.h"
#include "control/keep.h"
#include "sys/confine.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/pair.h"
#include "sys/proc.h"
#include "sys/rights.h"
#include "sys/starter.h"

void state_add(const struct run *run, struct strbuf *out, bool whole)
{
	const struct broker *b = &run->master.broker;
	const struct rundir *rd = &run->master.rundir;
	const char *log_text;
	size_t log_len;
	struct kept_run k = {
		.given_ms = b->loop.given_ms,
		.longest_turn_ns = b->loop.turns.longest_ns,
		.turns = b->loop.turns.took,
		.nofile_soft = b->launch.nofile.rlim_cur,
		.nofile_hard = b->launch.nofile.rlim_max,
		.next_event = run->events.ring.next,
		.dir_fd = rd->dir_fd,
		.lock_fd = rd->lock_fd,
		.pid_fd = rd->pid_fd,
		.rendezvous_fd = rd->rendezvous_fd,
		.control_fd = run->control.fd,
		.control_group = run->control.group,
		.ready_fd = run->ready_fd,
		.web_fd = { run->web.servers[WEB_METRICS].fd, run->web.servers[WEB_AGENT].fd },
		.shared = rd->shared,
		.stopping = b->stopping,
		.written_ns = loop_clock_ns(),
		.told = run->systemd.told,
		.shadow = run->shadow.pid,
		.hand_fd = run->shadow.hand_fd,
		.twin_fd = { run->shadow.state.fds[0], run->shadow.state.fds[1] },
		.heard_ms = b->loop.heard_ms,
	};

	starter_save(&k);
	mover_keep(&run->master.mover, &k);
	memcpy(k.given_oom_score, given_oom_score, sizeof(k.given_oom_score));
	k.n_stored = given_save(out);
	k.log_fd = log_keep(&log_text, &log_len, &k.log_lost);
	kept_add(out, KEPT_RUN, &k);
	kept_add_text(out, KEPT_RUN_DIR, rd->path, strlen(rd->path) + 1);
	kept_add_text(out, KEPT_LOG, log_text, log_len);
	if (whole)
		events_keep(&run->events, out);
	master_keep(&run->master, out);
	rendezvous_keep(&run->rendezvous, whole, out);
	control_keep(&run->control, out);
	kept_end(out);
}

void state_count(struct kept_reader r, unsigned ret[KEPT_RUN])
{
	enum kept_kind kind;

	memset(ret, 0, KEPT_RUN * sizeof(ret[0]));
	while (kept_next(&r, &kind))
		if (kind < KEPT_RUN)
			ret[kind]++;
}

char **state_arguments(const struct run *run, char *option, char *value)
{
	char *const *given = run->argv + 1;
	size_t n = 0;
	char **argv;

	if (*given && !strcmp(*given, "--adopt"))
		given += 2;
	while (given[n])
		n++;
	argv = calloc(n + 4, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[0] = run->argv[0];
	argv[1] = option;
	argv[2] = value;
	memcpy(argv + 2 + (value != NULL), given, n * sizeof(*argv));
	return argv;
}

int state_write(const struct run *run, unsigned *ret_counts)
{
	struct strbuf state = STRBUF_GROWS(STATE_MAX);
	_cleanup_fd_ int fd = memfd_create("broker-state", MFD_CLOEXEC);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	state_add(run, &state, true);
	while (!state.cut && done < state.len &&
	       (n = write(fd, state.text + done, state.len - done)) > 0)
		done += (size_t)n;
	if (ret_counts && !state.cut)
		state_count(kept_written(&state), ret_counts);
	strbuf_deinit(&state);
	return state.cut ? -ENOMEM : n < 0 ? -errno : fd_take(&fd);
}

/* All that the state behind @fd names: @keep, it is still there in the program that is executed. */
static int set_descriptors(int fd, bool keep)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
	struct kept_reader r;
	enum kept_kind kind;
	const int *fds;
	STRBUF(unsaid, 64);
	int result;

	if (bytes == MAP_FAILED)
		return -errno;
	result = kept_open(&r, bytes, (size_t)size, &unsaid);
	while (result == 0 && (fds = kept_next(&r, &kind)))
		for (size_t i = 0; kind == KEPT_FDS && i < r.size / sizeof(int); i++)
			if (fcntl(fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC) < 0 && errno != EBADF)
				result = -errno;
	(void)munmap(bytes, (size_t)size);
	return result;
}

bool state_passes_on(int fd)
{
	return pair_option_is(fd, SO_ACCEPTCONN, 0) &&
	       (pair_option_is(fd, SO_TYPE, SOCK_STREAM) ||
		pair_option_is(fd, SO_TYPE, SOCK_SEQPACKET));
}

/* Those that the state names are no longer close-on-exec. */
static void keep_clients(void)
{
	for (int fd = proc_status(getpid()).fds_end; fd-- > STDERR_FILENO + 1;)
		if (fcntl(fd, F_GETFD) == FD_CLOEXEC && state_passes_on(fd))
			(void)fcntl(fd, F_SETFD, 0);
}

int state_execute(const struct run *run, const char *program, int fd, bool rescues)
{
	_cleanup_free_ char **argv = NULL;
	char number[16];
	int r;

	snprintf(number, sizeof(number), "%d", fd);
	argv = state_arguments(run, (char[]){ "--adopt" }, number);
	r = argv ? set_descriptors(fd, true) : -ENOMEM;
	if (r == 0 && fcntl(fd, F_SETFD, 0) == 0) {
		if (rescues)
			keep_clients();
		(void)scheduler_set_batch(false);
		if (geteuid() != 0)
			rights_pass_on(true);
		execve(program, argv, environ);
		r = -errno;
	}
	rights_pass_on(false);
	(void)set_descriptors(fd, false);
	return r;
}
