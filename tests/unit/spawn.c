/* links: broker/sys/spawn broker/sys/confine broker/sys/program broker/sys/rights */
/* links: broker/base/strbuf broker/base/units */
/* links: broker/sys/proc broker/sys/dir */
/* links: broker/sys/pid_set */
/* wrap: kill syscall close */
#include "handoff_kernel.h"
#include "sys/spawn.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* No kill(2) of this program reaches the kernel: a broken check must not cost the machine. */
static pid_t killed_pid;
static int killed_sig, kill_error;

int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
	killed_pid = pid;
	killed_sig = sig;
	errno = kill_error;
	return kill_error ? -1 : 0;
}

/* As a filter of system calls of a container may have it. */
static bool no_close_range;

long __real_syscall(long n, long a, long b, long c, long d, long e);
long __wrap_syscall(long n, long a, long b, long c, long d, long e);
long __wrap_syscall(long n, long a, long b, long c, long d, long e)
{
	if (n != SYS_close_range || !no_close_range)
		return __real_syscall(n, a, b, c, d, e);
	errno = EPERM;
	return -1;
}

static unsigned n_closed;

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	n_closed++;
	return __real_close(fd);
}

TEST(a_signal_goes_to_one_process)
{
	CHECK_EQ(spawn_kill(2, SIGUSR1), 0);
	CHECK_EQ(killed_pid, 2);
	CHECK_EQ(killed_sig, SIGUSR1);
	kill_error = ESRCH;
	CHECK_EQ(spawn_kill(12345, SIGTERM), -ESRCH);
}

TEST(a_pid_that_means_many_ends_us_before_them)
{
	static const pid_t pids[] = { 1, 0, -1, -2, INT32_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pid_t child = fork();
		int status;

		CHECK(child >= 0);
		if (child == 0) {
			fclose(stderr); /* what assert(3) says is not of interest */
			(void)spawn_kill(pids[i], 0);
			_exit(0);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

TEST(a_signal_by_pidfd_reaches_no_other_process)
{
	pid_t child = fork();
	int fd, status;

	CHECK(child >= 0);
	if (child == 0) {
		pause();
		_exit(0);
	}
	fd = (int)syscall(SYS_pidfd_open, child, 0);
	CHECK(fd >= 0);
	CHECK_EQ(spawn_kill_pidfd(fd, SIGTERM), 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_EQ(spawn_kill_pidfd(fd, SIGTERM), -ESRCH);
	close(fd);
}

/* --- a worker ------------------------------------------------------------------------ */

static char output[4096];

/* Runs @script; what it prints is in output. Returns its wait status, and the text of the pipe. */
static int run(const char *program, const char *script, struct spawn_request *req, char *ret_text,
	       size_t size)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)script, NULL };
	char *envp[] = { (char *)(uintptr_t) "ONLY=this", NULL };
	int out[2], status_fd, status;
	struct pollfd p;
	ssize_t n;
	size_t got = 0;
	pid_t pid;

	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	req->program = program;
	req->argv = argv;
	req->envp = envp;
	req->output_fd = out[1];
	if (!req->nofile.rlim_cur)
		CHECK_EQ(getrlimit(RLIMIT_NOFILE, &req->nofile), 0);
	CHECK_EQ(spawn_worker(req, &pid, &status_fd), 0);
	CHECK(pid > 1);
	close(out[1]);
	while ((n = read(out[0], output + got, sizeof(output) - 1 - got)) > 0)
		got += (size_t)n;
	output[got] = '\0';
	close(out[0]);
	p = (struct pollfd){ .fd = status_fd, .events = POLLIN };
	CHECK_EQ(poll(&p, 1, -1), 1);
	n = read(status_fd, ret_text, size - 1);
	ret_text[n > 0 ? n : 0] = '\0';
	close(status_fd);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

TEST(a_worker_starts_with_a_clean_slate)
{
	struct spawn_request req = { .directory = "/" };
	char text[256];
	sigset_t mask;
	int open_here[8];

	/* Descriptors that forgot close-on-exec, and blocked signals. */
	for (size_t i = 0; i < ARRAY_SIZE(open_here); i++)
		open_here[i] = dup(STDERR_FILENO);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGCHLD);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &req.nofile), 0);
	req.nofile.rlim_cur = 77;

	CHECK_EQ(run("/bin/sh",
		     "exec 3>&-; pwd; echo $ONLY $HOME.; ulimit -n; readlink /proc/$$/fd/0;"
		     "for f in 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && echo open $f; done;"
		     "while read -r key value; do case $key in SigBlk:)"
		     " echo $key $value;; esac; done </proc/$$/status;"
		     "read -r stat </proc/$$/stat; set -- $stat; [ $5 = $$ ] && echo group",
		     &req, text, sizeof(text)),
		 0);
	CHECK_STR(output, "/\nthis .\n77\n/dev/null\nSigBlk: 0000000000000000\ngroup\n");
	CHECK_STR(text, "");
	for (size_t i = 0; i < ARRAY_SIZE(open_here); i++)
		close(open_here[i]);
}

TEST(a_worker_ignores_no_signal)
{
	/* libc keeps 32 and 33 for itself, and make(1) may leave them ignored. */
	const unsigned long long of_libc = 3ull << 31;
	struct spawn_request req = { 0 };
	unsigned long long ignored;
	char text[256];

	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGRTMAX, SIG_IGN) != SIG_ERR);
	CHECK_EQ(run("/bin/sh",
		     "while read -r key value; do [ $key = SigIgn: ] && echo $value; done"
		     " </proc/self/status; exit 0",
		     &req, text, sizeof(text)),
		 0);
	CHECK_EQ(sscanf(output, "%llx", &ignored), 1);
	CHECK_EQ(ignored & ~of_libc, 0);
}

TEST(the_status_pipe_is_where_the_launcher_looks_for_it)
{
	struct spawn_request req = { 0 };
	char text[256];

	CHECK_EQ(run("/bin/sh", "echo refused >&3; exit 126", &req, text, sizeof(text)), 126 << 8);
	CHECK_STR(text, "refused\n");
}

TEST(what_fails_before_the_command_is_said)
{
	struct spawn_request req = { 0 };
	struct rlimit limit;
	char text[256];
	int free_fd;

	CHECK_EQ(run("/nowhere/worker-shim", "", &req, text, sizeof(text)), 126 << 8);
	CHECK_STR(text, "cannot execute /nowhere/worker-shim: No such file or directory");
	req.directory = "/nowhere/else";
	CHECK_EQ(run("/bin/sh", "", &req, text, sizeof(text)), 126 << 8);
	CHECK_STR(text, "cannot change to directory /nowhere/else: No such file or directory");
	/* Two pipes, and no more. */
	free_fd = dup(STDERR_FILENO);
	CHECK_EQ(close(free_fd), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)free_fd + 4;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(run("/bin/sh", "", &req, text, sizeof(text)), 126 << 8);
	CHECK_STR(text, "cannot open /dev/null: Too many open files");
}

TEST(the_directory_that_a_user_may_not_pass_is_named)
{
	struct spawn_ids ids = { .change = true, .uid = 65534, .gid = 65534 };
	struct spawn_request req = { .ids = &ids };
	char dir[] = "/tmp/spawn-XXXXXX", text[256], path[64], want[256];

	if (geteuid() != 0)
		return;
	CHECK(mkdtemp(dir)); /* 0700 */
	snprintf(path, sizeof(path), "%s/in/app", dir);
	snprintf(want, sizeof(want),
		 "cannot change to directory %s: Permission denied; user 65534 may not pass "
		 "through %s (chmod +x)",
		 path, dir);
	req.directory = path;
	CHECK_EQ(run("/bin/sh", "", &req, text, sizeof(text)), 126 << 8);
	CHECK_EQ(rmdir(dir), 0);
	CHECK_STR(text, want);
}

/* A broker may be started with 0, 1 and 2 closed: its pipes then have these numbers. */
TEST(it_works_with_no_standard_descriptors)
{
	int pipe_out[2], status;
	pid_t child;
	char got[8] = "";

	CHECK_EQ(pipe2(pipe_out, O_CLOEXEC), 0);
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct spawn_request req = { 0 };
		char text[256];
		int keep = fcntl(pipe_out[1], F_DUPFD_CLOEXEC, 10);
		bool ok;

		for (int fd = 0; fd < 10; fd++)
			close(fd);
		ok = run("/bin/sh", "echo out; echo err >&2; read -r x; echo $?", &req, text,
			 sizeof(text)) == 0 &&
		     !strcmp(output, "out\nerr\n1\n") && !*text;
		if (!ok)
			(void)!write(keep, "no", 2);
		_exit(ok ? 0 : 1);
	}
	close(pipe_out[1]);
	(void)!read(pipe_out[0], got, sizeof(got) - 1);
	close(pipe_out[0]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_STR(got, "");
	CHECK_EQ(status, 0);
}

/* What is said of a process that could not be is what its request lacks. */
static int complete(struct spawn_request *req)
{
	return req->completed_from ? 0 : -EBADMSG;
}

TEST(a_request_is_completed_in_the_child)
{
	struct spawn_request req = { .complete = complete };
	char text[256];

	CHECK_EQ(run("/bin/sh", "", &req, text, sizeof(text)), 126 << 8);
	CHECK_STR(text, "cannot read the request: Bad message");
	req.completed_from = text;
	CHECK_EQ(run("/bin/sh", "exit 3", &req, text, sizeof(text)), 3 << 8);
	CHECK_STR(text, "");
}

/* --- a helper ------------------------------------------------------------------------ */

static int other;

static int helper_body(int fd)
{
	/* Only 0, 1, 2 and the one it was given. */
	if (fcntl(other, F_GETFD) >= 0 && other != fd)
		return 1;
	if (n_closed > 100)
		return 3;
	return write(fd, "x", 1) == 1 && getpgrp() == getpid() ? 42 : 2;
}

static void check_helper(void)
{
	int pair[2], status;
	pid_t pid;
	char byte;

	CHECK_EQ(pipe(pair), 0);
	other = fcntl(pair[0], F_DUPFD, 20);
	CHECK_EQ(spawn_helper(helper_body, pair[1], &pid), 0);
	CHECK(pid > 1);
	close(pair[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 42 << 8);
	CHECK_EQ(read(pair[0], &byte, 1), 1);
	close(pair[0]);
	close(other);
}

TEST(a_helper_has_its_descriptor_and_no_other)
{
	check_helper();
}

TEST(without_close_range_only_what_is_open_is_closed)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	no_close_range = true;
	check_helper();
}

TAP_MAIN()
