#include "adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "control/keep.h"
#include "dispatch/listener.h"
#include "master/adopt.h"
#include "service/rescue.h"
#include "shadow.h"
#include "state.h"
#include "sys/confine.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/proc.h"
#include "sys/retire.h"
#include "sys/rights.h"

struct adopting {
	struct adoption of_master;
	struct kept_run kept;
	char *bytes; /* owned, as the next */
	char *run_dir;
	size_t len;
	struct kept_reader begin; /* of the bytes, which are whole */
	char *claimed;		  /* by number of the descriptor: */
	size_t n_claimed;
	bool passes_over; /* holders of a channel that was closed */
};

enum { CLAIM_NONE, CLAIM_NAMED /* in the state, and nobody's yet */, CLAIM_TAKEN, CLAIM_DEAD };

static int read_state(struct adopting *a, int fd)
{
	struct stat st;
	ssize_t n = -1;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size > STATE_MAX)
		return -EINVAL;
	a->bytes = malloc((size_t)st.st_size + 1);
	while (a->bytes && a->len < (size_t)st.st_size &&
	       (n = pread(fd, a->bytes + a->len, (size_t)st.st_size - a->len, (off_t)a->len)) > 0)
		a->len += (size_t)n;
	return !a->bytes ? -ENOMEM : n < 0 ? -errno : 0;
}

/* Ours, so that no worker gets it. Those that nobody adopts are closed at the end. */
static int claim(struct adopting *a, enum kept_kind kind, const void *record)
{
	int fds[KEPT_FDS_MAX];
	size_t n = kept_fds(kind, record, fds);

	for (size_t i = 0; i < n; i++)
		if (a->claimed && a->claimed[fds[i]] == CLAIM_NAMED)
			a->claimed[fds[i]] = CLAIM_TAKEN;
	return 0;
}

/*
 * What a broker that was killed had closed since its last state must not become another descriptor
 * of ours: it is a socket whose other end is closed.
 */
static int fill_gap(struct adopting *a, int fd)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	r = pair[0] == fd || pair[1] == fd || fcntl(pair[0], F_DUPFD_CLOEXEC, fd) == fd ? 0
											: -errno;
	if (pair[0] != fd)
		(void)close(pair[0]);
	if (pair[1] != fd)
		(void)close(pair[1]);
	a->claimed[fd] = CLAIM_DEAD;
	return r;
}

static int take_descriptors(struct adopting *a, const int *fds, size_t n, struct strbuf *error)
{
	struct kept_hand hand = { .fd = -1 };

	(void)!pread(a->kept.hand_fd, &hand, sizeof(hand), 0);
	for (size_t i = 0; i < n; i++)
		if ((size_t)fds[i] >= a->n_claimed)
			a->n_claimed = (size_t)fds[i] + 1;
	a->claimed = calloc(a->n_claimed + 1, 1);
	if (!a->claimed)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = fcntl(fds[i], F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;

		a->claimed[fds[i]] = CLAIM_NAMED;
		if (r == 0 && hand.retired && retire_was(fds[i], a->kept.hand_fd)) {
			(void)close(fds[i]);
			r = -EBADF;
		}
		if (r == -EBADF)
			r = fill_gap(a, fds[i]);
		if (r < 0)
			return strbuf_fail(error, r, "descriptor %d: %m", fds[i]);
	}
	return 0;
}

static int read_first(struct run *run, enum kept_kind kind, const void *record, size_t size,
		      struct strbuf *error)
{
	struct adopting *a = run->adopting;

	if (kind == KEPT_RUN) {
		memcpy(&a->kept, record, sizeof(a->kept));
		starter_adopt(&a->kept, run->trial);
	} else if (kind == KEPT_RUN_DIR && !(a->run_dir = strndup(record, size))) {
		return -ENOMEM;
	} else if (kind == KEPT_FDS && !run->trial) {
		return take_descriptors(a, record, size / sizeof(int), error);
	}
	return master_adopt_conf(&a->of_master, kind, record, size, error);
}

int adopt_read(struct run *run, int fd, const struct conf_command *command, struct strbuf *error)
{
	struct adopting *a = run->adopting = calloc(1, sizeof(*a));
	struct kept_reader r;
	enum kept_kind kind;
	const void *record;
	int result;

	if (!a)
		return -ENOMEM;
	a->of_master.master = &run->master;
	a->of_master.command = command;
	result = read_state(a, fd);
	if (fd > 2)
		(void)close(fd);
	if (result < 0)
		return strbuf_fail(error, result, "the state cannot be read: %m");
	result = kept_open(&a->begin, a->bytes, a->len, error);
	r = a->begin;
	while (result == 0 && (record = kept_next(&r, &kind)))
		result = read_first(run, kind, record, r.size, error);
	if (result == 0 && (!run->master.conf || !a->run_dir))
		result = strbuf_fail(error, -EPROTO, "the state is not that of a whole broker");
	return result;
}

static int adopt_places(struct run *run, struct strbuf *error)
{
	struct master *m = &run->master;
	const struct kept_run *k = &run->adopting->kept;
	struct rundir *rd = &m->rundir;
	struct broker *b = &m->broker;
	int r = rundir_adopt(rd, run->adopting->run_dir, m->conf_start->broker.pid_file);

	rd->dir_fd = k->dir_fd;
	rd->lock_fd = k->lock_fd;
	rd->pid_fd = k->pid_fd;
	rd->rendezvous_fd = k->rendezvous_fd;
	rd->shared = k->shared;
	b->launch.rendezvous = rd->rendezvous;
	b->launch.restore = start_restore;
	b->launch.nofile = (struct rlimit){ k->nofile_soft, k->nofile_hard };
	memcpy(given_oom_score, k->given_oom_score, sizeof(k->given_oom_score));
	run->ready_fd = k->ready_fd;
	if (r == 0 && !run->trial)
		r = shadow_adopt(run, k);
	if (r == 0 && !run->trial)
		r = mover_adopt(&m->mover, k);
	if (r == 0)
		r = start_find_shim(run, error);
	if (r == 0)
		r = rendezvous_start(&run->rendezvous, b, rd->rendezvous_fd);
	if (r == 0)
		r = control_adopt_socket(&run->control, k->control_fd, k->control_group);
	if (r == 0)
		r = control_start(&run->control);
	if (r == 0)
		r = web_adopt(&run->web, k->web_fd);
	b->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return r;
}

int adopt_log(struct run *run)
{
	const struct adopting *a = run->adopting;
	const struct broker_conf *bc = &run->master.conf->broker;
	STRBUF(error, 512);

	if (run->trial)
		return 0;
	if (a->kept.log_fd < 0 || a->claimed[a->kept.log_fd] != CLAIM_DEAD)
		return log_adopt(bc, a->kept.log_fd, a->kept.log_lost);
	/* It was opened once more just before the broker was killed. Else: standard error. */
	if (log_open(bc, NULL, &error) < 0)
		log_event(LEVEL_ERROR, "log-reopened", LOG_MSG("%s", error.text));
	return 0;
}

static int adopt_one(struct run *run, enum kept_kind kind, const void *record, size_t size,
		     struct strbuf *error)
{
	if (kind < KEPT_RUN)
		return master_adopt(&run->adopting->of_master, kind, record, size, error);
	if (kind == KEPT_GIVEN)
		return given_adopt(record, run->adopting->kept.n_stored);
	if (kind == KEPT_EVENT)
		return events_adopt(&run->events, record, size);
	if (kind == KEPT_LOG && !run->trial)
		log_adopt_text(record, size);
	/* These are answered at once, unless they have gone. */
	if (kind == KEPT_GREETING && !run->trial && !rendezvous_adopt(&run->rendezvous, record))
		(void)close(((const struct kept_greeting *)record)->fd);
	if (kind >= KEPT_CLIENT && kind < KEPT_FDS && !run->trial)
		return control_adopt(&run->control, kind, record, size);
	return 0;
}

/*
 * Of the state of a broker that was killed, what may have become untrue since: connections that
 * wait may have been given away, and are found and counted again as all others; channels and
 * listeners may be closed.
 */
static bool passes_over(struct adopting *a, enum kept_kind kind, const void *record)
{
	struct service *s = a->of_master.service;
	int fds[KEPT_FDS_MAX];
	size_t n = kept_fds(kind, record, fds);
	bool closed = false;

	for (size_t i = 0; i < n; i++)
		closed |= a->claimed[fds[i]] == CLAIM_DEAD;
	if (kind == KEPT_CHANNEL)
		a->passes_over = closed;
	if (kind == KEPT_CHANNEL && closed && s)
		rescue_closed(&s->dispatch, record);
	if (kind == KEPT_PENDING && s)
		rescue_uncount(&s->dispatch, record);
	if (kind == KEPT_LISTENER && closed && a->of_master.endpoint)
		endpoint_remember(a->of_master.endpoint,
				  &((const struct kept_listener *)record)->addr);
	return kind == KEPT_PENDING || (kind == KEPT_LISTENER && closed) ||
	       (a->passes_over && (kind == KEPT_CHANNEL || kind == KEPT_HOLDER));
}

int adopt_all(struct run *run, struct strbuf *error)
{
	struct adopting *a = run->adopting;
	struct loop *loop = &run->master.broker.loop;
	struct kept_reader r = a->begin;
	enum kept_kind kind;
	const void *record;
	int result;

	/* Root's memory, and that of a broker that was root, is nobody's to look at. */
	if (geteuid() == 0 || run->master.conf_start->broker.user)
		rights_hide();
	if (!run->trial)
		(void)rights_pass_on(false);
	loop->given_ms = a->kept.given_ms;
	loop->now_ms -= loop->given_ms;
	if (a->kept.heard_ms)
		loop->heard_ms = a->kept.heard_ms;
	loop->turns.took = a->kept.turns;
	loop->turns.longest_ns = a->kept.longest_turn_ns;
	(void)given_adopt(NULL, a->kept.n_stored);
	result = adopt_places(run, error);
	while (result == 0 && (record = kept_next(&r, &kind))) {
		if (run->master.broker.hand->crashed_ns && passes_over(a, kind, record))
			continue;
		result = adopt_one(run, kind, record, r.size, error);
		if (result == 0)
			result = claim(a, kind, record);
	}
	if (result < 0 && !error->len)
		(void)strbuf_fail(error, result, "the state cannot be adopted: %m");
	run->events.ring.next = a->kept.next_event;
	if (result == 0)
		master_adopted(&a->of_master);
	return result;
}

/* Of what it was given, what nobody has adopted: how many. */
static unsigned close_unclaimed(struct adopting *a)
{
	struct kept_reader r = a->begin;
	enum kept_kind kind;
	const int *fds;
	unsigned n = 0;

	while ((fds = kept_next(&r, &kind)))
		for (size_t i = 0; kind == KEPT_FDS && i < r.size / sizeof(int); i++)
			if (a->claimed[fds[i]] == CLAIM_NAMED) {
				(void)close(fds[i]);
				n++;
			}
	return n;
}

/* Of a connection that the shadow has passed on: whether it is served. */
static bool rescue_one(struct run *run, int fd)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if ((size_t)fd < run->adopting->n_claimed)
		run->adopting->claimed[fd] = CLAIM_TAKEN;
	if (rescue_connection(&run->master.broker, fd))
		return true;
	if (rendezvous_adopt(&run->rendezvous, &(struct kept_greeting){ .fd = fd }))
		return false;
	/* Somebody who was being answered: he sees the end, and asks again. */
	(void)close(fd);
	return false;
}

/* Of ours, all others are close-on-exec. */
static bool may_be_left(const struct adopting *a, int fd)
{
	int claim = (size_t)fd < a->n_claimed ? a->claimed[fd] : CLAIM_NONE;

	return claim == CLAIM_NAMED ||
	       (claim == CLAIM_NONE && fd > STDERR_FILENO && fcntl(fd, F_GETFD) == 0);
}

/* What the broker that was killed had done since its last state. How many connections it held. */
static unsigned rescue(struct run *run)
{
	unsigned n = 0;

	rescue_counts(&run->master.broker);
	for (int fd = 0, end = proc_status(getpid()).fds_end; fd < end; fd++)
		if (may_be_left(run->adopting, fd) && state_passes_on(fd))
			n += rescue_one(run, fd);
	return n;
}

void adopt_finish(struct run *run)
{
	struct adopting *a = run->adopting;
	bool crashed = run->master.broker.hand->crashed_ns;
	unsigned n[KEPT_RUN], rescued = crashed ? rescue(run) : 0, unclaimed = close_unclaimed(a);
	uint64_t since = crashed ? run->master.broker.hand->crashed_ns : a->kept.written_ns;
	int64_t us = (int64_t)(loop_clock_ns() - since) / 1000;
	STRBUF(words, 256);

	/* Not before: what it already knows is not to be told again. */
	systemd_init(&run->systemd, &run->master);
	run->systemd.told = a->kept.told;
	systemd_changed(&run->systemd);
	state_count(a->begin, n);
	strbuf_addf(&words,
		    "broker " BROKER_VERSION " goes on with %u service%s, %u worker%s and "
		    "%u listener%s after %lld.%lld ms",
		    n[KEPT_SERVICE], n[KEPT_SERVICE] == 1 ? "" : "s", n[KEPT_WORKER],
		    n[KEPT_WORKER] == 1 ? "" : "s", n[KEPT_LISTENER],
		    n[KEPT_LISTENER] == 1 ? "" : "s", (long long)us / 1000,
		    (long long)us % 1000 / 100);
	if (crashed) {
		strbuf_addf(&words,
			    "; the one before was killed, with %u connection%s in its hands",
			    rescued, rescued == 1 ? "" : "s");
		log_event(LEVEL_WARN, "taken-over", LOG_INT("pid", starter_pid()),
			  LOG_STR("version", BROKER_VERSION), LOG_INT("us", us),
			  LOG_INT("workers", n[KEPT_WORKER]), LOG_INT("rescued", rescued),
			  LOG_INT("doubts", run->master.broker.hand->doubts),
			  LOG_MSG("%s", words.text));
	} else {
		if (unclaimed)
			strbuf_addf(&words, "; %u descriptors were of no use to it, and are closed",
				    unclaimed);
		log_event(unclaimed ? LEVEL_WARN : LEVEL_INFO, "upgrade",
			  LOG_INT("pid", starter_pid()), LOG_STR("version", BROKER_VERSION),
			  LOG_INT("us", us), LOG_INT("workers", n[KEPT_WORKER]),
			  LOG_INT("unadopted", unclaimed), LOG_MSG("%s", words.text));
	}
	if (crashed) {
		web_restore(&run->web);
		start_restore(&run->master.broker);
	}
	if (a->kept.stopping)
		master_stop(&run->master, true, 0);
	control_upgraded(&run->control, !crashed, words.text);
	control_adopted(&run->control, crashed && run->master.broker.hand->asked);
	run->master.broker.hand->crashed_ns = 0;
	free(a->bytes);
	free(a->run_dir);
	free(a->claimed);
	free(a);
	run->adopting = NULL;
}
