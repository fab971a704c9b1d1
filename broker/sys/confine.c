#include "confine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "base/fd.h"
#include "base/units.h"
#include "sys/proc.h"
#include "sys/rights.h"

struct value {
	const char *text;
	unsigned slot;
	int resource; /* of setrlimit(2) */
};

/* What is a number was looked at when the file was read. */
static int set_umask(const struct value *v)
{
	(void)umask((mode_t)strtol(v->text, NULL, 8));
	return 0;
}

static int set_nice(const struct value *v)
{
	return setpriority(PRIO_PROCESS, 0, (int)strtol(v->text, NULL, 10)) < 0 ? -errno : 0;
}

static int write_oom_score(pid_t pid, const char *text)
{
	_cleanup_fd_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int set_oom_score(const struct value *v)
{
	/*
	 * A process that hides (sys/rights.h) may write its own file only as root. This one, of a
	 * broker that has changed its user, executes a command of the same user soon.
	 */
	if (geteuid() != 0)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return write_oom_score(getpid(), v->text);
}

/* All that are listed, or with per-worker the one whose turn it is in its slot. */
static int set_cpus(const struct value *v)
{
	struct units_cpus cpus;
	cpu_set_t ours, set;
	unsigned n = 0, k = 0;

	static_assert(UNITS_CPUS == 8 * sizeof(cpu_set_t), "as many as a cpu_set_t has");
	CPU_ZERO(&set);
	if (units_parse_cpus(v->text, &cpus) != 0 || sched_getaffinity(0, sizeof(ours), &ours) < 0)
		return -errno;
	for (unsigned i = 0; i < UNITS_CPUS; i++) {
		cpus.has[i] |= cpus.all && CPU_ISSET(i, &ours);
		n += cpus.has[i];
	}
	for (unsigned i = 0; i < UNITS_CPUS; i++)
		if (cpus.has[i] && (!cpus.per_worker || k++ == v->slot % n))
			CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set) < 0 ? -errno : 0;
}

static int set_limit(const struct value *v)
{
	int64_t soft, hard;
	struct rlimit to;

	if (units_parse_limit(v->text, &soft, &hard) != 0)
		return -EINVAL;
	to.rlim_cur = soft == UNITS_UNLIMITED ? RLIM_INFINITY : (rlim_t)soft;
	to.rlim_max = hard == UNITS_UNLIMITED ? RLIM_INFINITY : (rlim_t)hard;
	return setrlimit(v->resource, &to) < 0 ? -errno : 0;
}

#define SETTING(option) #option, offsetof(struct conf_process, option)

static const struct {
	const char *option;
	size_t at; /* its text, in struct conf_process */
	int (*apply)(const struct value *v);
	int resource;
} settings[] = {
	{ SETTING(umask), set_umask, 0 },
	{ SETTING(oom_score_adj), set_oom_score, 0 },
	{ SETTING(nice), set_nice, 0 },
	{ SETTING(cpu_affinity), set_cpus, 0 },
	{ SETTING(limit_nofile), set_limit, RLIMIT_NOFILE },
	{ SETTING(limit_core), set_limit, RLIMIT_CORE },
	{ SETTING(limit_as), set_limit, RLIMIT_AS },
};

static int fail(struct strbuf *error, int r, const char *option, const char *text)
{
	return strbuf_fail(error, r, "cannot set %s = %s: %m%s", option, text,
			   r == -EPERM || r == -EACCES ? " (the broker may not give that much)"
						       : "");
}

char given_oom_score[16];

int confine_broker(const char *oom_score, pid_t parent, struct strbuf *error)
{
	const pid_t pids[] = { parent, getpid() };
	int r = 0;

	if (!oom_score)
		return 0;
	if (proc_read(getpid(), "oom_score_adj", given_oom_score, sizeof(given_oom_score)) < 0)
		return strbuf_fail(error, -errno, "cannot read oom_score_adj: %m");
	/* Done with that right, it is also the least that a worker can have. More needs no right.
	 */
	if (strtol(oom_score, NULL, 10) > strtol(given_oom_score, NULL, 10))
		r = rights_use(~RIGHT_SYS_RESOURCE);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pids); i++)
		r = write_oom_score(pids[i], oom_score);
	if (r == 0)
		r = rights_use(RIGHTS_ALL);
	return r < 0 ? fail(error, r, "oom_score_adj", oom_score) : 0;
}

int confine(const struct conf_process *p, unsigned slot, struct strbuf *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const char *text = *(char *const *)((const char *)p + settings[i].at);
		const struct value v = { text, slot, settings[i].resource };
		int r = text ? settings[i].apply(&v) : 0;

		if (r < 0)
			return fail(error, r, settings[i].option, text);
	}
	return 0;
}

static bool is_batch; /* by us */

/* musl has the functions, but they only fail: sched_setscheduler(3) is of threads, POSIX says. */

int scheduler_set_batch(bool batch)
{
	static const struct sched_param none;

	if (batch == is_batch)
		return 0;
	if (batch && syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER)
		return -EPERM;
	if (syscall(SYS_sched_setscheduler, 0, batch ? SCHED_BATCH : SCHED_OTHER, &none) < 0)
		return -errno;
	is_batch = batch;
	return 0;
}

bool scheduler_read_delay(uint64_t *ret_runs, uint64_t *ret_delay_ns)
{
	char text[128];

	return proc_read(getpid(), "schedstat", text, sizeof(text)) > 0 &&
	       sscanf(text, "%*u %" SCNu64 " %" SCNu64, ret_delay_ns, ret_runs) == 2;
}
