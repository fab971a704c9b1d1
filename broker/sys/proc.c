#include "proc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/fd.h"
#include "handoff_kernel.h"

struct path {
	char text[64];
};

static struct path path_of(pid_t pid, const char *name)
{
	struct path path;

	if (pid)
		snprintf(path.text, sizeof(path.text), "/proc/%d/%s", (int)pid, name);
	else
		snprintf(path.text, sizeof(path.text), "/proc/%s", name);
	return path;
}

ssize_t proc_read(pid_t pid, const char *name, char *buf, size_t size)
{
	_cleanup_fd_ int fd = open(path_of(pid, name).text, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -errno : fd_read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n;
}

ssize_t proc_read_link(pid_t pid, const char *name, char *buf, size_t size)
{
	ssize_t n = readlink(path_of(pid, name).text, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

/*
 * /proc has not shown @pid, for @r. 0: it has ended; else -errno, which is -EACCES if it is only
 * hidden: with hidepid=2 that looks the same.
 */
static int why_unseen(pid_t pid, int r)
{
	if (r != -ENOENT && r != -ESRCH)
		return r;
	return getpgid(pid) < 0 && errno == ESRCH ? 0 : -EACCES;
}

/* The next entry of @dir that is a number; false at the end. */
static bool next_pid(struct dir *dir, pid_t *ret)
{
	const char *name;
	char more;

	while ((name = dir_next(dir)))
		if (sscanf(name, "%d%c", ret, &more) == 1)
			return true;
	return false;
}

/* Of the flags in /proc/PID/stat: set before memory and files are gone. */
#define TASK_EXITING 0x4

struct proc_stat proc_stat(pid_t pid)
{
	struct proc_stat st = { .ending = true };
	unsigned long long user, system; /* ticks */
	char text[512];
	const char *paren;
	unsigned flags;
	ssize_t n;
	long pages;

	n = proc_read(pid, "stat", text, sizeof(text));
	if (n < 0) {
		st.ending = why_unseen(pid, (int)n) == 0;
		return st;
	}
	paren = strrchr(text, ')'); /* the name may hold anything */
	/* proc(5): fields 3, 4, 9, 14, 15, 24. */
	if (!paren || sscanf(paren + 1,
			     " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
			     "%*d %*d %*d %*u %*u %ld",
			     &st.state, &st.parent, &flags, &user, &system, &pages) != 6)
		return (struct proc_stat){ .ending = true };
	st.ending = st.state == 'Z' || st.state == 'X' || (flags & TASK_EXITING);
	st.cpu_ms = (user + system) * MSEC_PER_SEC / (unsigned long)sysconf(_SC_CLK_TCK);
	st.rss_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	return st;
}

/* Without CONFIG_PROC_CHILDREN: every process of the machine is asked for its parent. */
static int add_children_by_parent(pid_t parent, struct pid_set *ret)
{
	_cleanup_dir_ struct dir *dir = dir_open("/proc");
	int r = 0;
	pid_t pid;

	if (!dir)
		return -errno;
	while (r == 0 && next_pid(dir, &pid))
		if (proc_stat(pid).parent == parent)
			r = pid_set_add(ret, pid);
	return r;
}

struct dir *proc_threads_open(pid_t pid)
{
	return dir_open(path_of(pid, "task").text);
}

int proc_threads_next(struct dir *dir, pid_t pid, struct pid_set *ret)
{
	char file[128];
	_cleanup_fd_ int fd = -1;
	pid_t tid;
	int r;

	if (!dir)
		return why_unseen(pid, -errno);
	if (!next_pid(dir, &tid))
		return 0;
	snprintf(file, sizeof(file), "/proc/%d/task/%d/children", pid, tid);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno_is_shortage(errno))
			return -errno;
		if (errno != ENOENT || access("/proc/thread-self/children", F_OK) == 0)
			return 1;
		return add_children_by_parent(pid, ret);
	}
	r = pid_set_add_listed(ret, fd);
	return r == 0 || r == -ESRCH ? 1 : r;
}

int proc_add_children(pid_t pid, struct pid_set *ret)
{
	_cleanup_dir_ struct dir *dir = proc_threads_open(pid);
	int r;

	do
		r = proc_threads_next(dir, pid, ret);
	while (r > 0);
	return r;
}

int proc_add_descendants(struct pid_set *set)
{
	int r = 0;

	/* The set grows while it is walked; a pid is added once, so this ends. */
	for (size_t i = 0; i < set->n && (r == 0 || r == -EACCES); i++) {
		int one = proc_add_children(set->pids[i], set);

		r = one < 0 ? one : r;
	}
	return r;
}

/* The number behind @label; 0 if the kernel does not say. */
static unsigned long long status_number(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	return at ? strtoull(at + strlen(label), NULL, 10) : 0;
}

struct proc_status proc_status(pid_t pid)
{
	/* Groups and processor masks can make it long: the counts of switches stand behind them. */
	char text[16384];
	const char *at;

	(void)proc_read(pid, "status", text, sizeof(text));
	/* The process chose the name in the first line, but the kernel escapes its line breaks. */
	at = strstr(text, "\nState:\t");
	if (!at)
		return (struct proc_status){ 0 };
	return (struct proc_status){
		.state = at[8],
		.filtered = status_number(text, "\nSeccomp:\t") == 2,
		.tracer = (pid_t)status_number(text, "\nTracerPid:\t"),
		.fds_end = (int)status_number(text, "\nFDSize:\t"),
		.scheduled = status_number(text, "\nvoluntary_ctxt_switches:\t") +
			     status_number(text, "\nnonvoluntary_ctxt_switches:\t"),
	};
}

bool proc_is_stopped(pid_t pid, struct proc_look *last, bool was)
{
	const struct proc_look before = *last;
	struct proc_status status = proc_status(pid);

	*last = (struct proc_look){ 0 };
	if (!was && status.state == 'T')
		return true;
	if (!proc_state_is_stopped(status.state) ||
	    (!was && status.tracer && proc_stat(status.tracer).state == 'R'))
		return false;
	*last = (struct proc_look){ .pid = pid, .scheduled = status.scheduled };
	return before.pid == pid ? before.scheduled == status.scheduled : was;
}

struct proc_name proc_name(pid_t pid)
{
	struct proc_name name;

	if (proc_read(pid, "comm", name.text, sizeof(name.text)) <= 0)
		strcpy(name.text, "?");
	name.text[strcspn(name.text, "\n")] = '\0';
	return name;
}

enum { LINK_SIZE = 64 };

/* 1: where the next descriptor in @dir, a /proc/PID/fd, leads. Else as proc_fds_next(). */
static int next_link(struct dir *dir, int *ret_fd, char target[LINK_SIZE])
{
	const char *name;

	if (!dir)
		return -errno;
	while ((name = dir_next(dir))) {
		ssize_t n = readlinkat(dir_fd(dir), name, target, LINK_SIZE - 1);

		if (n < 0 && errno == EACCES)
			return -EACCES;
		if (n <= 0)
			continue; /* no descriptor, or closed meanwhile */
		target[n] = '\0';
		*ret_fd = atoi(name);
		return 1;
	}
	return 0;
}

static bool is_socket(const char *link, uint64_t *ret_inode)
{
	return sscanf(link, "socket:[%" SCNu64 "]", ret_inode) == 1;
}

struct dir *proc_fds_open(pid_t pid)
{
	struct dir *dir = dir_open(path_of(pid, "fd").text);
	int r = dir ? 0 : why_unseen(pid, -errno);

	if (!dir)
		errno = r < 0 ? -r : ENOENT;
	return dir;
}

int proc_fds_next(struct dir *dir, int *ret_fd, uint64_t *ret_inode)
{
	char link[LINK_SIZE];
	int r = next_link(dir, ret_fd, link);

	if (r > 0 && !is_socket(link, ret_inode))
		*ret_inode = 0;
	return r;
}

int proc_fds_copy(int pidfd, int fd, uint64_t inode, int *ret_fd)
{
	_cleanup_fd_ int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	struct stat st;

	if (copy < 0 || fstat(copy, &st) < 0)
		return -errno;
	if (st.st_ino != inode)
		return -EBADF;
	*ret_fd = fd_take(&copy);
	return 0;
}

bool proc_fd_is(const struct proc_fd *s)
{
	char name[32], link[LINK_SIZE];
	uint64_t found;

	snprintf(name, sizeof(name), "fd/%d", s->fd);
	return proc_read_link(s->pid, name, link, sizeof(link)) > 0 && is_socket(link, &found) &&
	       found == s->inode;
}

enum proc_seen proc_holds_socket(pid_t pid, uint64_t inode)
{
	_cleanup_dir_ struct dir *dir = proc_fds_open(pid);
	uint64_t found;
	int fd, r;

	while ((r = proc_fds_next(dir, &fd, &found)) > 0)
		if (found == inode)
			return PROC_YES;
	return r == 0 || r == -ENOENT ? PROC_NO : PROC_UNKNOWN;
}

bool proc_has_io_uring(pid_t pid)
{
	_cleanup_dir_ struct dir *dir = proc_fds_open(pid);
	char link[LINK_SIZE];
	int fd;

	while (next_link(dir, &fd, link) > 0)
		if (!strcmp(link, "anon_inode:[io_uring]"))
			return true;
	return false;
}

bool proc_receives(pid_t pid, uint64_t inode)
{
	_cleanup_dir_ struct dir *dir = proc_threads_open(pid);
	struct proc_fd socket = { .pid = pid, .inode = inode };
	char name[32], text[256];
	unsigned fd;
	int call;
	pid_t tid;

	while (dir && next_pid(dir, &tid)) {
		snprintf(name, sizeof(name), "task/%d/syscall", (int)tid);
		if (proc_read(pid, name, text, sizeof(text)) <= 0 ||
		    sscanf(text, "%d %x", &call, &fd) != 2 || call != SYS_recvmsg)
			continue;
		socket.fd = (int)fd;
		if (proc_fd_is(&socket))
			return true;
	}
	return false;
}

bool proc_is_in_exec(pid_t pid)
{
	char text[2];

	return proc_read(pid, "cmdline", text, sizeof(text)) == 0;
}

enum proc_seen proc_environ_has(pid_t pid, const char *name, const char *value)
{
	static char text[256 * 1024]; /* memory that is got for each of thousands takes longer */
	size_t n_name = strlen(name);
	ssize_t n = proc_read(pid, "environ", text, sizeof(text));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1)
		if (!strncmp(text + at, name, n_name) && text[at + (ssize_t)n_name] == '=')
			return strcmp(text + at + n_name + 1, value) ? PROC_NO : PROC_YES;
	return n < 0 && why_unseen(pid, (int)n) < 0 ? PROC_UNKNOWN : PROC_NO;
}

pid_t proc_find_socket_owner(uint64_t inode)
{
	_cleanup_dir_ struct dir *dir = dir_open("/proc");
	pid_t pid;

	while (dir && next_pid(dir, &pid))
		if (proc_holds_socket(pid, inode) == PROC_YES)
			return pid;
	return 0;
}

uint64_t proc_count_own_fds(void)
{
	_cleanup_dir_ struct dir *dir = NULL;
	char target[LINK_SIZE];
	struct stat st;
	uint64_t n = 0;
	int fd;

	/* Since Linux 6.2 the size of the directory is their number: no need to look at each. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	dir = proc_fds_open(getpid());
	while (next_link(dir, &fd, target) > 0)
		n++;
	return dir ? n - 1 : 0; /* without the one that we looked with */
}

uint64_t proc_run_ns(pid_t pid)
{
	_cleanup_dir_ struct dir *dir = proc_threads_open(pid);
	char text[128];
	uint64_t sum = 0;
	pid_t thread;

	while (dir && next_pid(dir, &thread))
		if (proc_read(thread, "schedstat", text, sizeof(text)) > 0)
			sum += strtoull(text, NULL, 10);
	return sum;
}
