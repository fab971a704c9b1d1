#include "spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "handoff_kernel.h"
#include "sys/confine.h"
#include "sys/rights.h"

/*
 * The only caller of kill(2) in the tree. kill(-1, sig) signals every process that we may
 * signal and kill(0, sig) our own group, so an unchecked fork() result passed here would
 * take the machine down instead of one worker.
 */
int spawn_kill(pid_t pid, int sig)
{
	assert(pid > 1);
	return kill(pid, sig) < 0 ? -errno : 0;
}

int spawn_kill_group(pid_t pid, int sig)
{
	assert(pid > 1);
	return kill(-pid, sig) < 0 ? -errno : 0;
}

int spawn_kill_pidfd(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

/* What a child does not share with the broker, and execve(2) would not change. */
static void reset_inherited(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* So many are closed without /proc; ours are close-on-exec in any case. */
#define UNSEEN_FDS 65536

void spawn_close_from(int first)
{
	struct dirent *e;
	DIR *dir;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	/* A filter forbids it. The limit may be a million: only what is there is closed. */
	dir = opendir("/proc/self/fd");
	while (dir && (e = readdir(dir)))
		if (atoi(e->d_name) >= first && atoi(e->d_name) != dirfd(dir))
			(void)close(atoi(e->d_name));
	if (dir)
		(void)closedir(dir);
	else
		for (int fd = first; fd < UNSEEN_FDS; fd++)
			(void)close(fd);
}

int spawn_change_ids(const struct spawn_ids *ids, struct strbuf *error)
{
	/* Groups first: after setresuid(2) we may no longer change them, and would keep those of
	 * root. */
	if (setgroups(ids->n_groups, ids->groups) < 0)
		return strbuf_fail(error, -errno, "cannot set the supplementary groups: %m");
	if (setresgid(ids->gid, ids->gid, ids->gid) < 0)
		return strbuf_fail(error, -errno, "cannot change to group %u: %m", ids->gid);
	if (setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return strbuf_fail(error, -errno, "cannot change to user %u: %m", ids->uid);
	if (ids->uid != 0 && setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return strbuf_fail(error, -EPERM, "user %u could become root again: %m", ids->uid);
	return 0;
}

/* "VERB PATH: why", and the directory on the way to it that this user cannot pass. */
static int fail_at(const char *verb, const char *path, struct strbuf *error)
{
	int r = -errno;

	(void)strbuf_fail(error, r, "%s %s: %m", verb, path);
	for (const char *end = strchr(path + 1, '/'); r == -EACCES && end;
	     end = strchr(end + 1, '/')) {
		STRBUF(directory, PATH_MAX);

		strbuf_add_bytes(&directory, path, (size_t)(end - path));
		if (access(directory.text, X_OK) == 0)
			continue;
		strbuf_addf(error, "; user %u may not pass through %s (chmod +x)",
			    (unsigned)geteuid(), directory.text);
		break;
	}
	return r;
}

/*
 * In the child: out of reach of the terminal, whose keys go to its foreground group. Not by
 * setsid(2): the kernel shares a processor out by session first (sched(7), autogroup), and a worker
 * in another session than the broker would interrupt it at each connection that wakes it.
 */
static void leave_terminal(void)
{
	int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)setpgid(0, 0);
	if (tty < 0)
		return;
	(void)ioctl(tty, TIOCNOTTY); /* only this process's own: it leads no session */
	(void)close(tty);
}

/*
 * In the child: /dev/null, or @socket, is its input and, with TO_NULL for @out, its output; -1
 * leaves that as it is. Of all others *@keep_fd stays open, as SPAWN_STATUS_FD. 0 or -errno with
 * @error.
 */
#define TO_NULL (-2)
static int set_up(int out, const int *socket, int *keep_fd, struct strbuf *error)
{
	int null_fd = open("/dev/null", (out == TO_NULL ? O_RDWR : O_RDONLY) | O_CLOEXEC);

	if (null_fd < 0 && !socket)
		return strbuf_fail(error, -errno, "cannot open /dev/null: %m");
	/*
	 * What is kept first leaves the way: below, 0 to 3 are overwritten. From then on it is
	 * where the launcher looks for it.
	 */
	if (out == TO_NULL)
		out = null_fd;
	if (out >= 0 && out <= SPAWN_STATUS_FD)
		out = fcntl(out, F_DUPFD_CLOEXEC, SPAWN_STATUS_FD + 1);
	/* A socket is the input. */
	if (socket)
		null_fd = *socket;
	if (null_fd >= 0 && null_fd <= SPAWN_STATUS_FD)
		null_fd = fcntl(null_fd, F_DUPFD_CLOEXEC, SPAWN_STATUS_FD + 1);
	if (*keep_fd == SPAWN_STATUS_FD)
		(void)fcntl(*keep_fd, F_SETFD, 0);
	else if (dup2(*keep_fd, SPAWN_STATUS_FD) < 0)
		return strbuf_fail(error, -errno, "cannot place the status pipe: %m");
	*keep_fd = SPAWN_STATUS_FD;

	leave_terminal();
	if (dup2(null_fd, STDIN_FILENO) < 0)
		return strbuf_fail(error, -errno, "cannot set up standard input: %m");
	if (out >= 0 && (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0))
		return strbuf_fail(error, -errno, "cannot set up standard output: %m");
	spawn_close_from(SPAWN_STATUS_FD + 1);
	reset_inherited();
	return 0;
}

/*
 * In the child, which has the environment of the command, and still our rights. No file can give
 * one to a worker then; that of ping(8), which often has a mark, can do without where ICMP sockets
 * are open to all.
 */
static int refuse_gain(const struct spawn_request *req)
{
	bool as_root = (req->ids && req->ids->change ? req->ids->uid : geteuid()) == 0;
	bool gain = req->gain == GAIN_YES;

	rights_inherit(0);
	if (gain && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return -EPERM;
	for (size_t i = 0; req->gain == GAIN_AUTO && req->commands[i]; i++)
		gain |= rights_are_given_by(req->commands[i], getenv("PATH"), req->directory);
	return gain ? 0 : rights_gain_none(as_root ? RIGHTS_ALL : RIGHT_NET_RAW);
}

/* In the child: returns only if that fails, and then *@status_fd is where to say @error. */
static int execute(const struct spawn_request *req, pid_t parent, int *status_fd,
		   struct strbuf *error)
{
	int out = req->output_to_status ? *status_fd : req->output_fd;
	int r = set_up(out, req->socket_fds ? &req->socket_fd : NULL, status_fd, error);

	if (r < 0)
		return r;
	for (int fd = 1; fd < req->socket_fds; fd++)
		if (dup2(STDIN_FILENO, fd) < 0)
			return strbuf_fail(error, -errno, "cannot place the socket: %m");
	if (setrlimit(RLIMIT_NOFILE, &req->nofile) < 0)
		return strbuf_fail(error, -errno, "cannot restore the descriptor limit: %m");
	if (req->envp)
		environ = (char **)(uintptr_t)req->envp;
	if (confine(&req->process, req->slot, error) < 0)
		return -errno;
	r = refuse_gain(req);
	if (r < 0 && req->gain != GAIN_YES)
		return strbuf_fail(error, r, "cannot set no_new_privs = yes: %m");
	if (r < 0)
		return strbuf_fail(
			error, r,
			"cannot set no_new_privs = no: the broker has yes, as it was "
			"started so (NoNewPrivileges= of its unit) or has become another "
			"user: restart it");
	if (req->ids && req->ids->change && spawn_change_ids(req->ids, error) < 0)
		return -errno;
	if (req->directory && chdir(req->directory) < 0)
		return fail_at("cannot change to directory", req->directory, error);
	/*
	 * Until it is the app, a worker ends with its parent (parent.h), not with the broker: the
	 * parent looks after it when that is killed, and nobody would if the parent were, too. The
	 * launcher takes this off before it executes the command: from then on there may be
	 * connections to finish. After the ids, whose change clears it; and a parent that died
	 * before this line would never be seen to die.
	 */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return -ESRCH;
	execve(req->program, req->argv, environ);
	return fail_at("cannot execute", req->program, error);
}

int spawn_self(char *const *argv, struct spawn_request *ret)
{
	*ret = (struct spawn_request){
		.program = "/proc/self/fd/0",
		.argv = argv,
		.output_fd = -1,
		.socket_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC),
		.socket_fds = 1,
		.gain = GAIN_NO,
	};
	return ret->socket_fd < 0 || getrlimit(RLIMIT_NOFILE, &ret->nofile) < 0 ? -errno : 0;
}

int spawn_worker(const struct spawn_request *req, pid_t *ret_pid, int *ret_status_fd)
{
	_cleanup_fd_ int status_read = -1, status_write = -1;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	status_read = ends[0];
	status_write = ends[1];
	if (fcntl(status_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		struct spawn_request whole = *req;
		STRBUF(error, 1024);
		int r = req->complete ? req->complete(&whole) : 0;

		if (r < 0)
			(void)strbuf_fail(&error, r, "cannot read the request: %m");
		else
			(void)execute(&whole, parent, &status_write, &error);
		(void)!write(status_write, error.text, error.len);
		_exit(SPAWN_EXIT_FAILED);
	}
	assert(pid > 1);
	*ret_pid = pid;
	*ret_status_fd = fd_take(&status_read);
	return 0;
}

int spawn_split(pid_t *ret_child)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		leave_terminal();
	else
		assert(pid > 1);
	*ret_child = pid;
	return pid == 0;
}

void spawn_end_by(int status)
{
	sigset_t one;

	if (!WIFSIGNALED(status))
		return;
	(void)prctl(PR_SET_DUMPABLE, 0); /* the core file that counts is of the other one */
	(void)signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	(void)raise(WTERMSIG(status));
}

int spawn_helper(int (*body)(int keep_fd), int keep_fd, pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		STRBUF(unsaid, 64);

		/* A reader of the broker's output must not wait for the end of a helper. */
		_exit(set_up(TO_NULL, NULL, &keep_fd, &unsaid) < 0 ? 126 : body(keep_fd));
	}
	assert(pid > 1);
	*ret_pid = pid;
	return 0;
}

int spawn_shadow(void (*body)(void *data), void *data, pid_t *ret_pid)
{
	/* No stack: a copy of ours, as fork(2) gives it. */
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		body(data);
		_exit(126);
	}
	assert(pid > 1);
	*ret_pid = (pid_t)pid;
	return 0;
}
