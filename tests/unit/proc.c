/* links: broker/sys/proc broker/sys/dir */
/* links: broker/sys/pid_set */
/* wrap: fopen access */
#include "handoff_kernel.h"
#include "sys/proc.h"
#include "tap.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A kernel without CONFIG_PROC_CHILDREN has no file "children" anywhere. */
static bool no_children_files;

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_access(const char *path, int how);
int __wrap_access(const char *path, int how);

FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (!no_children_files || !strstr(path, "/children"))
		return __real_fopen(path, mode);
	errno = ENOENT;
	return NULL;
}

int __wrap_access(const char *path, int how)
{
	if (!no_children_files || !strstr(path, "/children"))
		return __real_access(path, how);
	errno = ENOENT;
	return -1;
}

/* A child with a child of its own; both wait until the test lets go of them. */
struct family {
	pid_t child, grandchild;
	int alive[2]; /* whoever has the write end closed is told to end */
};

static void wait_for_end(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		continue;
}

static void family_start(struct family *f)
{
	int told[2];

	CHECK_EQ(pipe(f->alive), 0);
	CHECK_EQ(pipe(told), 0);
	f->child = fork();
	CHECK(f->child >= 0);
	if (f->child == 0) {
		pid_t pid;

		close(f->alive[1]);
		(void)prctl(PR_SET_NAME, "a ) b (");
		pid = fork();
		if (pid == 0) {
			close(told[1]);
			wait_for_end(f->alive[0]);
			_exit(0);
		}
		if (write(told[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
			_exit(1);
		wait_for_end(f->alive[0]);
		_exit(waitpid(pid, NULL, 0) == pid ? 0 : 1);
	}
	close(told[1]);
	CHECK_EQ(read(told[0], &f->grandchild, sizeof(pid_t)), sizeof(pid_t));
	close(told[0]);
	close(f->alive[0]);
}

static void family_end(struct family *f)
{
	int status;

	close(f->alive[1]);
	CHECK_EQ(waitpid(f->child, &status, 0), f->child);
	CHECK_EQ(status, 0);
}

static void check_relations(const struct family *f)
{
	struct pid_set set = { 0 };

	CHECK_EQ(proc_add_children(getpid(), &set), 0);
	CHECK_EQ(set.n, 1);
	CHECK(pid_set_has(&set, f->child));
	CHECK_EQ(proc_add_descendants(&set), 0);
	CHECK_EQ(set.n, 2);
	CHECK(pid_set_has(&set, f->grandchild));
	/* Once more adds nobody twice. */
	CHECK_EQ(proc_add_descendants(&set), 0);
	CHECK_EQ(set.n, 2);
	pid_set_deinit(&set);
	CHECK(!pid_set_has(&set, f->child));
}

TEST(children_and_all_descendants)
{
	struct family f;

	family_start(&f);
	check_relations(&f);
	family_end(&f);
}

TEST(the_same_where_the_kernel_has_no_list_of_children)
{
	struct family f;

	family_start(&f);
	no_children_files = true;
	check_relations(&f);
	no_children_files = false;
	family_end(&f);
}

TEST(who_has_ended_has_no_children)
{
	struct proc_look look = { 0 };
	struct pid_set set = { 0 };
	struct proc_stat none;
	struct family f;
	uint64_t inode;
	int fd;

	family_start(&f);
	family_end(&f);
	CHECK_EQ(proc_add_children(f.child, &set), 0);
	CHECK_EQ(set.n, 0);
	none = proc_stat(f.child);
	CHECK_EQ(none.state, 0);
	CHECK(none.ending);
	CHECK_EQ(none.parent, 0);
	CHECK_EQ(none.rss_bytes, 0);
	CHECK_EQ(none.cpu_ms, 0);
	CHECK_EQ(proc_status(f.child).state, 0);
	CHECK(!proc_is_stopped(f.child, &look, false));
	CHECK_EQ(proc_fds_next(proc_fds_open(f.child), &fd, &inode), -ENOENT);
	CHECK_EQ(proc_holds_socket(f.child, 1), PROC_NO);
	CHECK_EQ(proc_environ_has(f.child, "PATH", ""), PROC_NO);
}

/* A tracer of @pid, which does as it is told: i(nterrupt), c(ontinue), b(usy from now on). */
static pid_t tracer_start(pid_t pid, int *ret_fd)
{
	int ends[2], status;
	pid_t tracer;
	char c;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	tracer = fork();
	CHECK(tracer >= 0);
	if (tracer > 0) {
		close(ends[1]);
		*ret_fd = ends[0];
		return tracer;
	}
	close(ends[0]);
	/* A failing test must not leave a busy process behind. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		_exit(1);
	while (read(ends[1], &c, 1) == 1) {
		if (c == 'i') {
			(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
			(void)waitpid(pid, &status, __WALL);
		} else if (c == 'c') {
			(void)ptrace(PTRACE_CONT, pid, NULL, NULL);
		}
		(void)!write(ends[1], &c, 1);
		while (c == 'b')
			continue;
	}
	_exit(0); /* and lets go */
}

static void tell(int fd, char c)
{
	CHECK_EQ(write(fd, &c, 1), 1);
	CHECK_EQ(read(fd, &c, 1), 1);
}

static void wait_for_state(pid_t pid, char state)
{
	while (proc_stat(pid).state != state)
		sched_yield(); /* the runner's alarm ends it */
}

/* strace(1) stops a process at each call, and a breakpoint for as long as somebody thinks. */
TEST(one_that_a_tracer_has_stopped_is_seen_twice_before_it_is_believed)
{
	struct proc_look look = { 0 };
	struct proc_status said;
	struct family f;
	pid_t tracer;
	int fd;

	family_start(&f);
	tracer = tracer_start(f.child, &fd);
	for (int i = 0; i < 3; i++) {
		tell(fd, 'i');
		wait_for_state(tracer, 'S');
		said = proc_status(f.child);
		CHECK_EQ(said.state, 't');
		CHECK_EQ(said.tracer, tracer);
		CHECK(!proc_is_stopped(f.child, &look, false));
		if (i < 2) /* it runs between the looks: stopped again, not still */
			tell(fd, 'c');
	}
	CHECK(proc_is_stopped(f.child, &look, false));
	CHECK(proc_is_stopped(f.child, &look, false));
	/* Another process, or one seen running in between, starts from the beginning. */
	look.pid = getpid();
	CHECK(!proc_is_stopped(f.child, &look, false));
	CHECK(proc_is_stopped(f.child, &look, false));
	CHECK(!proc_is_stopped(getpid(), &look, false));
	CHECK(!proc_is_stopped(f.child, &look, false));
	CHECK(proc_is_stopped(f.child, &look, false));
	/* A tracer that is at work, or would be if it had a processor, is not at a prompt. */
	tell(fd, 'b');
	wait_for_state(tracer, 'R');
	CHECK(!proc_is_stopped(f.child, &look, false));
	CHECK(!proc_is_stopped(f.child, &look, false));
	/* ... but what it has stopped already stays so. */
	CHECK(proc_is_stopped(f.child, &look, true));
	CHECK(proc_is_stopped(f.child, &look, true));
	look.scheduled--;
	CHECK(!proc_is_stopped(f.child, &look, true));
	CHECK(proc_is_stopped(f.child, &look, true));
	CHECK(!proc_is_stopped(getpid(), &look, true));
	CHECK(tracer > 1);
	CHECK_EQ(kill(tracer, SIGKILL), 0);
	CHECK_EQ(waitpid(tracer, NULL, 0), tracer);
	close(fd);
	family_end(&f);
}

/* Its name has all that could mislead a reader of /proc/PID/stat. */
TEST(state_of_a_process_that_is_stopped_or_a_zombie)
{
	struct family f;
	struct proc_look look = { 0 };
	struct proc_status said;
	siginfo_t info;
	int status;

	family_start(&f);
	CHECK_STR(proc_name(f.child).text, "a ) b (");
	CHECK(strchr("RSD", proc_stat(f.child).state));
	CHECK(!proc_stat(f.child).ending);
	CHECK_EQ(proc_stat(f.child).parent, getpid());
	CHECK(proc_stat(f.child).rss_bytes > 0);
	CHECK(f.child > 1);
	CHECK_EQ(kill(f.child, SIGSTOP), 0);
	CHECK_EQ(waitpid(f.child, &status, WUNTRACED), f.child);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(proc_stat(f.child).state, 'T');
	said = proc_status(f.child);
	CHECK_EQ(said.state, 'T');
	CHECK_EQ(said.tracer, 0);
	CHECK(proc_is_stopped(f.child, &look, false));
	CHECK_EQ(kill(f.child, SIGCONT), 0);
	CHECK_EQ(waitpid(f.child, &status, WCONTINUED), f.child);
	CHECK(proc_stat(f.child).state != 'T');
	close(f.alive[1]);
	CHECK_EQ(waitid(P_PID, (id_t)f.child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(proc_stat(f.child).state, 'Z');
	CHECK(proc_stat(f.child).ending);
	CHECK_EQ(waitpid(f.child, &status, 0), f.child);
	CHECK_EQ(proc_stat(f.child).state, 0);
	CHECK_STR(proc_name(f.child).text, "?");
}

TEST(a_socket_of_a_process_is_copied)
{
	int pair[2], pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0), copy = -1;
	struct stat st, other;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(fstat(pair[0], &st), 0);
	CHECK_EQ(proc_fds_copy(pidfd, pair[0], st.st_ino, &copy), 0);
	CHECK_EQ(fstat(copy, &other), 0);
	CHECK_EQ(other.st_ino, st.st_ino);
	/* It became another one meanwhile, or was closed. */
	CHECK_EQ(proc_fds_copy(pidfd, pair[1], st.st_ino, &copy), -EBADF);
	close(pair[0]);
	CHECK_EQ(proc_fds_copy(pidfd, pair[0], st.st_ino, &copy), -EBADF);
	close(pair[1]);
	close(copy);
	close(pidfd);
}

TEST(sockets_of_a_process)
{
	struct dir *dir = proc_fds_open(getpid());
	struct family f;
	struct stat st;
	int pair[2], fd = -1, r;
	uint64_t inode = 0;

	CHECK(dir);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(fstat(pair[0], &st), 0);
	while ((r = proc_fds_next(dir, &fd, &inode)) > 0 && inode != st.st_ino)
		continue;
	CHECK_EQ(r, 1);
	CHECK_EQ(fd, pair[0]);
	while ((r = proc_fds_next(dir, &fd, &inode)) > 0)
		CHECK(inode != st.st_ino);
	CHECK_EQ(r, 0);
	dir_close(&dir);

	family_start(&f); /* they inherit it */
	CHECK_EQ(proc_holds_socket(f.child, st.st_ino), PROC_YES);
	CHECK_EQ(proc_holds_socket(f.grandchild, st.st_ino), PROC_YES);
	CHECK(proc_find_socket_owner(st.st_ino) > 0);
	close(pair[0]);
	close(pair[1]);
	CHECK_EQ(proc_holds_socket(getpid(), st.st_ino), PROC_NO);
	CHECK_EQ(proc_holds_socket(proc_find_socket_owner(st.st_ino), st.st_ino), PROC_YES);
	family_end(&f);
	CHECK_EQ(proc_find_socket_owner(st.st_ino), 0);
}

TEST(io_uring_is_seen)
{
	long params[32] = { 0 };
	int fd;

	CHECK(!proc_has_io_uring(getpid()));
	fd = (int)syscall(425 /* io_uring_setup */, 2, params);
	if (fd < 0)
		SKIP("no io_uring here");
	CHECK(proc_has_io_uring(getpid()));
	close(fd);
	CHECK(!proc_has_io_uring(getpid()));
}

TEST(the_environment_a_process_was_started_with)
{
	const char *value = getenv("PATH");

	CHECK(value);
	CHECK_EQ(proc_environ_has(getpid(), "PATH", value), PROC_YES);
	CHECK_EQ(proc_environ_has(getpid(), "PATH", "no"), PROC_NO);
	CHECK(!proc_environ_has(getpid(), "PAT", value));
	CHECK_EQ(proc_environ_has(getpid(), "THERE_IS_NO_SUCH", ""), PROC_NO);
}

/* "None" and "could not look" lead to opposite ends. */
TEST(a_shortage_of_descriptors_is_not_taken_for_no_children)
{
	struct rlimit limit, none;
	struct pid_set set = { 0 };
	struct family f;
	int r;

	family_start(&f);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = proc_add_children(getpid(), &set);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(r, -EMFILE);
	CHECK_EQ(proc_add_children(getpid(), &set), 0);
	CHECK(pid_set_has(&set, f.child));
	pid_set_deinit(&set);
	family_end(&f);
}

TAP_MAIN()
