#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/fd.h"

void pid_set_deinit(struct pid_set *set)
{
	free(set->pids);
	*set = (struct pid_set){ 0 };
}

void pid_set_remove(struct pid_set *set, pid_t pid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pids[i] == pid)
			set->pids[i--] = set->pids[--set->n];
}

bool pid_set_has(const struct pid_set *set, pid_t pid)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->pids[i] == pid)
			return true;
	return false;
}

int pid_set_add(struct pid_set *set, pid_t pid)
{
	if (pid_set_has(set, pid))
		return 0;
	if (set->n == set->room) {
		size_t room = set->room ? set->room * 2 : 16;
		pid_t *pids = realloc(set->pids, room * sizeof(*pids));

		if (!pids)
			return -ENOMEM;
		set->pids = pids;
		set->room = room;
	}
	set->pids[set->n++] = pid;
	return 0;
}

/* Reads up to @size - 1 bytes of a file in /proc, terminated. Returns the count or -errno. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < size - 1) {
		ssize_t r = read(fd, buf + n, size - 1 - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	buf[n] = '\0';
	return (ssize_t)n;
}

ssize_t proc_read(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return read_file(path, buf, size);
}

ssize_t proc_read_link(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

static bool parse_pid(const char *text, pid_t *ret)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end || v <= 0 || v > INT32_MAX)
		return false;
	*ret = (pid_t)v;
	return true;
}

/* Without CONFIG_PROC_CHILDREN: every process of the machine is asked for its parent. */
static int add_children_by_parent(pid_t parent, struct pid_set *ret)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (e = readdir(dir))) {
		char path[64], text[512], *paren;
		long ppid;
		pid_t pid;

		if (!parse_pid(e->d_name, &pid))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (read_file(path, text, sizeof(text)) < 0)
			continue;
		paren = strrchr(text, ')'); /* the name before it may hold anything */
		if (paren && sscanf(paren + 1, " %*c %ld", &ppid) == 1 && ppid == parent)
			r = pid_set_add(ret, pid);
	}
	closedir(dir);
	return r;
}

/* Of ours: says nothing about the process that was to be read. */
static bool is_shortage(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE;
}

int proc_add_children(pid_t pid, struct pid_set *ret)
{
	char path[64];
	DIR *dir;
	struct dirent *e;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return is_shortage(errno) ? -errno : 0; /* it has ended */
	while (r == 0 && (e = readdir(dir))) {
		char file[128];
		FILE *f;
		pid_t tid;
		int child;

		if (!parse_pid(e->d_name, &tid))
			continue;
		snprintf(file, sizeof(file), "/proc/%d/task/%d/children", pid, tid);
		f = fopen(file, "re");
		if (!f && is_shortage(errno)) {
			r = -errno;
			break;
		}
		if (!f) {
			if (errno != ENOENT || access("/proc/thread-self/children", F_OK) == 0)
				continue;
			r = add_children_by_parent(pid, ret);
			break;
		}
		while (r == 0 && fscanf(f, "%d", &child) == 1)
			if (child > 1)
				r = pid_set_add(ret, child);
		fclose(f);
	}
	closedir(dir);
	return r;
}

int proc_add_descendants(struct pid_set *set)
{
	/* The set grows while it is walked; a pid is added once, so this ends. */
	for (size_t i = 0; i < set->n; i++) {
		int r = proc_add_children(set->pids[i], set);

		if (r < 0)
			return r;
	}
	return 0;
}

char proc_state(pid_t pid)
{
	char path[64], text[512], *paren;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return 0;
	paren = strrchr(text, ')');
	return paren && paren[1] == ' ' ? paren[2] : 0;
}

/* Of the kernel's task flags, field 9 of /proc/PID/stat: set before memory and files are gone. */
#define TASK_EXITING 0x4

bool proc_is_ending(pid_t pid)
{
	char path[64], text[512], *paren, state;
	unsigned flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return true;
	paren = strrchr(text, ')');
	return paren && sscanf(paren + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) == 2 &&
	       (state == 'Z' || state == 'X' || (flags & TASK_EXITING));
}

/* The number behind @label; 0 if the kernel does not say. */
static unsigned long long status_number(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

int proc_read_status(pid_t pid, struct proc_status *ret)
{
	/* Groups and processor masks can make it longer; what is read here stands before or fits.
	 */
	char path[64], text[16384], *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return -ESRCH;
	/* The name in the first line is the process's own: it cannot hold a line break unescaped.
	 */
	at = strstr(text, "\nState:\t");
	if (!at)
		return -ESRCH;
	ret->state = at[8];
	ret->tracer = (pid_t)status_number(text, "\nTracerPid:\t");
	ret->scheduled = status_number(text, "\nvoluntary_ctxt_switches:\t") +
			 status_number(text, "\nnonvoluntary_ctxt_switches:\t");
	return 0;
}

pid_t proc_tracer(pid_t pid)
{
	struct proc_status status;

	return proc_read_status(pid, &status) < 0 ? 0 : status.tracer;
}

/* False: it is not stopped now, and @last knows of nothing. */
static bool look_at_stopped(pid_t pid, struct proc_look *last, struct proc_status *ret_status)
{
	*last = (struct proc_look){ 0 };
	return pid > 1 && proc_read_status(pid, ret_status) >= 0 &&
	       proc_state_is_stopped(ret_status->state);
}

bool proc_stays_stopped(pid_t pid, struct proc_look *last)
{
	struct proc_look before = *last;
	struct proc_status status;

	if (!look_at_stopped(pid, last, &status))
		return false;
	*last = (struct proc_look){ .pid = pid, .scheduled = status.scheduled };
	return before.pid != pid || before.scheduled == status.scheduled;
}

bool proc_is_stopped(pid_t pid, struct proc_look *last)
{
	struct proc_look before = *last;
	struct proc_status status;

	if (!look_at_stopped(pid, last, &status))
		return false;
	if (status.state == 'T')
		return true;
	if (status.tracer && proc_state(status.tracer) == 'R')
		return false;
	*last = (struct proc_look){ .pid = pid, .scheduled = status.scheduled };
	return before.pid == pid && before.scheduled == status.scheduled;
}

int proc_usage(pid_t pid, struct proc_usage *ret)
{
	char path[64], text[512], *paren;
	unsigned long long user, system;
	long pages;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return -ENOENT;
	paren = strrchr(text, ')');
	/* proc(5): fields 14 utime and 15 stime in ticks, 24 rss in pages. */
	if (!paren || sscanf(paren + 1,
			     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
			     "%*d %*d %*d %*u %*u %ld",
			     &user, &system, &pages) != 3)
		return -ENOENT;
	ret->cpu_ms = (user + system) * MSEC_PER_SEC / (unsigned long)sysconf(_SC_CLK_TCK);
	ret->rss_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	return 0;
}

void proc_name(pid_t pid, char *ret, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	n = read_file(path, ret, size);
	if (n <= 0)
		snprintf(ret, size, "?");
	else if (ret[n - 1] == '\n')
		ret[n - 1] = '\0';
}

/* Calls @seen with the target of each descriptor link of @pid until it returns false. */
static int each_link(pid_t pid, bool (*seen)(void *arg, const char *target), void *arg)
{
	char path[64];
	DIR *dir;
	struct dirent *e;
	bool more = true;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (more && (e = readdir(dir))) {
		char target[64];
		ssize_t n;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue; /* closed meanwhile */
		target[n] = '\0';
		more = seen(arg, target);
	}
	closedir(dir);
	return 0;
}

struct socket_search {
	bool (*seen)(void *arg, uint64_t inode);
	void *arg;
};

static bool link_is_socket(void *arg, const char *target)
{
	struct socket_search *s = arg;
	unsigned long long inode;

	if (sscanf(target, "socket:[%llu]", &inode) != 1)
		return true;
	return s->seen(s->arg, inode);
}

int proc_sockets(pid_t pid, bool (*seen)(void *arg, uint64_t inode), void *arg)
{
	struct socket_search s = { seen, arg };

	return each_link(pid, link_is_socket, &s);
}

struct inode_search {
	uint64_t inode;
	bool found;
};

static bool inode_matches(void *arg, uint64_t inode)
{
	struct inode_search *s = arg;

	s->found = s->found || inode == s->inode;
	return !s->found;
}

bool proc_holds_socket(pid_t pid, uint64_t inode)
{
	struct inode_search s = { .inode = inode };

	(void)proc_sockets(pid, inode_matches, &s);
	return s.found;
}

static bool link_is_not_io_uring(void *arg, const char *target)
{
	bool *found = arg;

	*found = *found || !strcmp(target, "anon_inode:[io_uring]");
	return !*found;
}

bool proc_has_io_uring(pid_t pid)
{
	bool found = false;

	(void)each_link(pid, link_is_not_io_uring, &found);
	return found;
}

bool proc_environ_has(pid_t pid, const char *name, const char *value)
{
	enum { SIZE = 256 * 1024 };
	_cleanup_free_ char *text = malloc(SIZE);
	char path[64];
	size_t n_name = strlen(name);
	ssize_t n;

	if (!text)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	n = read_file(path, text, SIZE);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
		if (!strncmp(text + at, name, n_name) && text[at + (ssize_t)n_name] == '=')
			return !strcmp(text + at + n_name + 1, value);
	return false;
}

pid_t proc_find_socket_owner(uint64_t inode)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t owner = 0, pid;

	if (!dir)
		return 0;
	while (!owner && (e = readdir(dir)))
		if (parse_pid(e->d_name, &pid) && proc_holds_socket(pid, inode))
			owner = pid;
	closedir(dir);
	return owner;
}
