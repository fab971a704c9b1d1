#include "adopt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include "control/keep.h"
#include "master/adopt.h"
#include "sys/confine.h"
#include "sys/given.h"
#include "sys/log.h"
#include "sys/rights.h"

#define STATE_MAX ((size_t)1 << 30)

struct adopting {
	struct adoption of_master;
	struct kept_run kept;
	char *bytes; /* owned, as the next */
	char *run_dir;
	size_t len;
	bool *claimed; /* by number of the descriptor */
	size_t n_claimed;
};

/* --- the side that leaves ------------------------------------------------------------------ */

void adopt_keep(const struct run *run, struct strbuf *out)
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
		.written_ns = loop_clock_ns(),
		.told = run->systemd.told,
	};

	starter_save(&k);
	memcpy(k.given_oom_score, given_oom_score, sizeof(k.given_oom_score));
	k.n_stored = given_save(out);
	k.log_fd = log_keep(&log_text, &log_len, &k.log_lost);
	kept_add(out, KEPT_RUN, &k);
	kept_add_text(out, KEPT_RUN_DIR, rd->path, strlen(rd->path) + 1);
	kept_add_text(out, KEPT_LOG, log_text, log_len);
	events_keep(&run->events, out);
	master_keep(&run->master, out);
	rendezvous_keep(&run->rendezvous, out);
	control_keep(&run->control, out);
	kept_end(out);
}

void adopt_count(const void *bytes, size_t len, unsigned ret[KEPT_RUN])
{
	struct kept_reader r;
	enum kept_kind kind;
	STRBUF(unsaid, 64);

	memset(ret, 0, KEPT_RUN * sizeof(ret[0]));
	if (kept_open(&r, bytes, len, &unsaid) == 0)
		while (kept_next(&r, &kind))
			if (kind < KEPT_RUN)
				ret[kind]++;
}

/* --- the side that goes on ----------------------------------------------------------------- */

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
		if (a->claimed && (size_t)fds[i] < a->n_claimed)
			a->claimed[fds[i]] = true;
	return 0;
}

static int take_descriptors(struct adopting *a, const int *fds, size_t n, struct strbuf *error)
{
	for (size_t i = 0; i < n; i++) {
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			return strbuf_fail(error, -errno, "descriptor %d: %m", fds[i]);
		if ((size_t)fds[i] >= a->n_claimed)
			a->n_claimed = (size_t)fds[i] + 1;
	}
	a->claimed = calloc(a->n_claimed + 1, sizeof(bool));
	return a->claimed ? 0 : -ENOMEM;
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
	result = kept_open(&r, a->bytes, a->len, error);
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
	const struct kept_run *k = &run->adopting->kept;

	return run->trial ? 0 : log_adopt(&run->master.conf->broker, k->log_fd, k->log_lost);
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
	/* These are answered at once. */
	if (kind == KEPT_GREETING && !run->trial)
		rendezvous_adopt(&run->rendezvous, record);
	if (kind >= KEPT_CLIENT && kind < KEPT_FDS && !run->trial)
		return control_adopt(&run->control, kind, record, size);
	return 0;
}

int adopt_all(struct run *run, struct strbuf *error)
{
	struct adopting *a = run->adopting;
	struct loop *loop = &run->master.broker.loop;
	struct kept_reader r;
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
	loop->turns.took = a->kept.turns;
	loop->turns.longest_ns = a->kept.longest_turn_ns;
	(void)given_adopt(NULL, a->kept.n_stored);
	result = adopt_places(run, error);
	if (result == 0)
		result = kept_open(&r, a->bytes, a->len, error);
	while (result == 0 && (record = kept_next(&r, &kind))) {
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
	struct kept_reader r;
	enum kept_kind kind;
	const int *fds;
	STRBUF(unsaid, 64);
	unsigned n = 0;

	(void)kept_open(&r, a->bytes, a->len, &unsaid);
	while ((fds = kept_next(&r, &kind)))
		for (size_t i = 0; kind == KEPT_FDS && i < r.size / sizeof(int); i++)
			if (!a->claimed[fds[i]]) {
				(void)close(fds[i]);
				n++;
			}
	return n;
}

void adopt_finish(struct run *run)
{
	struct adopting *a = run->adopting;
	unsigned n[KEPT_RUN], unclaimed = close_unclaimed(a);
	int64_t us = (int64_t)(loop_clock_ns() - a->kept.written_ns) / 1000;
	STRBUF(words, 256);

	/* Not before: what it already knows is not to be told again. */
	systemd_init(&run->systemd, &run->master);
	run->systemd.told = a->kept.told;
	systemd_changed(&run->systemd);
	adopt_count(a->bytes, a->len, n);
	strbuf_addf(&words,
		    "broker " BROKER_VERSION " goes on with %u service%s, %u worker%s and "
		    "%u listener%s after %lld.%lld ms",
		    n[KEPT_SERVICE], n[KEPT_SERVICE] == 1 ? "" : "s", n[KEPT_WORKER],
		    n[KEPT_WORKER] == 1 ? "" : "s", n[KEPT_LISTENER],
		    n[KEPT_LISTENER] == 1 ? "" : "s", (long long)us / 1000,
		    (long long)us % 1000 / 100);
	if (unclaimed)
		strbuf_addf(&words, "; %u descriptors were of no use to it, and are closed",
			    unclaimed);
	log_event(unclaimed ? LEVEL_WARN : LEVEL_INFO, "upgrade", LOG_INT("pid", starter_pid()),
		  LOG_STR("version", BROKER_VERSION), LOG_INT("us", us),
		  LOG_INT("workers", n[KEPT_WORKER]), LOG_INT("unadopted", unclaimed),
		  LOG_MSG("%s", words.text));
	control_upgraded(&run->control, true, words.text);
	control_adopted(&run->control);
	free(a->bytes);
	free(a->run_dir);
	free(a->claimed);
	free(a);
	run->adopting = NULL;
}
