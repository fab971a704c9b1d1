/* links: broker/sys/rundir broker/sys/unix_socket broker/sys/proc broker/sys/dir broker/base/strbuf
 */
/* links: broker/sys/safe_path broker/sys/retire broker/sys/loop broker/base/heap broker/sys/starter
 */
/* links: broker/sys/starter_wire broker/sys/spawn broker/sys/confine broker/sys/pair */
/* links: broker/sys/program broker/sys/rights broker/base/units broker/policy/histogram */
/* links: broker/sys/pid_set */
/* wrap: lstat access */
#include "sys/rundir.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[] = "/tmp/broker-rundir-XXXXXX";
static char path[64], lock[80], sock[80], pid_file[80];

/* What every look at a name fails with; 0: it does not. */
static int unseen;

int __real_lstat(const char *name, struct stat *st);
int __wrap_lstat(const char *name, struct stat *st);
int __wrap_lstat(const char *name, struct stat *st)
{
	errno = unseen;
	return unseen ? -1 : __real_lstat(name, st);
}

int __real_access(const char *name, int mode);
int __wrap_access(const char *name, int mode);
int __wrap_access(const char *name, int mode)
{
	errno = unseen;
	return unseen ? -1 : __real_access(name, mode);
}

static void start(void)
{
	CHECK(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/a/run", base);
	snprintf(lock, sizeof(lock), "%s/lock", path);
	snprintf(sock, sizeof(sock), "%s/" RENDEZVOUS_NAME, path);
	snprintf(pid_file, sizeof(pid_file), "%s/pid", base);
}

static void stop(void)
{
	char made[64];

	(void)rmdir(path);
	snprintf(made, sizeof(made), "%s/a", base);
	(void)rmdir(made);
	CHECK_EQ(rmdir(base), 0); /* nothing is left in it */
}

static mode_t mode_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) < 0 ? 0 : st.st_mode & 07777;
}

static int try_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	strcpy(sun.sun_path, sock);
	r = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

TEST(it_is_made_and_all_of_it_removed)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 512);

	start();
	CHECK_EQ(rundir_open(&rd, path, false, &error), 0);
	CHECK_EQ(mode_of(path), 0700);
	CHECK_EQ(mode_of(lock), 0600);
	CHECK_EQ(mode_of(sock), 0600);
	CHECK_EQ(try_connect(), 0);
	CHECK(fcntl(rd.lock_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(rd.rendezvous_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(rd.rendezvous_fd, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), 0);
	rundir_close(&rd);
	CHECK_EQ(access(path, F_OK), -1);
	CHECK_EQ(access(pid_file, F_OK), -1);
	CHECK_EQ(rd.lock_fd, -1);
	rundir_close(&rd);
	stop();
}

TEST(what_was_removed_is_made_again_and_no_more)
{
	struct rundir rd = RUNDIR_INIT;
	int old, was;
	STRBUF(made, 512);
	STRBUF(error, 512);

	start();
	CHECK_EQ(rundir_open(&rd, path, true, &error), 0);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), 0);
	was = rd.rendezvous_fd;
	CHECK_EQ(rundir_restore(&rd, &old, &made, &error), 0);
	CHECK_EQ(made.len, 0);
	CHECK_EQ(old, -1);
	CHECK_EQ(unlink(pid_file), 0);
	CHECK_EQ(rundir_restore(&rd, &old, &made, &error), 0);
	CHECK_STR(made.text, pid_file);
	CHECK_EQ(rd.rendezvous_fd, was);
	/* The old socket is the caller's: clients may wait at it. */
	CHECK_EQ(unlink(sock), 0);
	CHECK_EQ(rundir_restore(&rd, &old, &made, &error), 0);
	CHECK_EQ(old, was);
	CHECK(rd.rendezvous_fd != was);
	CHECK_EQ(try_connect(), 0);
	CHECK_EQ(close(old), 0);
	CHECK_EQ(unlink(sock) + unlink(lock) + rmdir(path), 0);
	CHECK(!rundir_is_ours(&rd));
	CHECK_EQ(rundir_restore(&rd, &old, &made, &error), 0);
	CHECK_EQ(close(old), 0);
	CHECK(rundir_is_ours(&rd));
	CHECK_EQ(mode_of(path), 0711);
	CHECK_EQ(mode_of(lock), 0600);
	CHECK_EQ(mode_of(sock), 0666);
	rundir_close(&rd);
	stop();
}

TEST(what_cannot_be_looked_at_was_not_removed)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 512);
	STRBUF(made, 512);
	int old, lock_fd;

	start();
	CHECK_EQ(rundir_open(&rd, path, false, &error), 0);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), 0);
	lock_fd = rd.lock_fd;
	unseen = EACCES;
	CHECK(rundir_is_ours(&rd));
	CHECK_EQ(rundir_restore(&rd, &old, &made, &error), 0);
	CHECK_STR(made.text, "");
	CHECK_EQ(old, -1);
	CHECK_EQ(rd.lock_fd, lock_fd);
	unseen = 0;
	rundir_close(&rd);
	stop();
}

TEST(workers_of_another_user_reach_the_socket_and_no_more)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 512);

	start();
	CHECK_EQ(rundir_open(&rd, path, true, &error), 0);
	CHECK_EQ(mode_of(path), 0711);
	CHECK_EQ(mode_of(lock), 0600);
	CHECK_EQ(mode_of(sock), 0666);
	rundir_close(&rd);
	stop();
}

TEST(the_mask_of_the_caller_is_kept)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 512);

	start();
	(void)umask(0027);
	CHECK_EQ(rundir_open(&rd, path, true, &error), 0);
	CHECK_EQ(umask(0022), 0027);
	rundir_close(&rd);
	stop();
}

TEST(a_second_broker_is_told_who_has_it)
{
	struct rundir first = RUNDIR_INIT, second = RUNDIR_INIT;
	STRBUF(error, 512);
	char want[64];

	start();
	CHECK_EQ(rundir_open(&first, path, false, &error), 0);
	CHECK_EQ(rundir_open(&second, path, false, &error), -EBUSY);
	snprintf(want, sizeof(want), "another broker (pid %d) runs with", (int)getpid());
	CHECK_CONTAINS(error.text, want);
	CHECK_CONTAINS(error.text, path);
	/* And it does the first no harm when it ends. */
	rundir_close(&second);
	CHECK_EQ(try_connect(), 0);
	CHECK_EQ(access(lock, F_OK), 0);
	rundir_close(&first);

	CHECK_EQ(rundir_open(&second, path, false, &error), 0);
	rundir_close(&second);
	stop();
}

/* A child of a broker that holds @rd, and ends once somebody has tried to take it. */
static void hold_until_tried(const struct rundir *rd, int ready)
{
	struct pollfd tried = { .fd = inotify_init1(IN_CLOEXEC), .events = POLLIN };

	/* Each try opens it, and closes it at its end. */
	(void)inotify_add_watch(tried.fd, rd->lock, IN_CLOSE_WRITE);
	(void)!write(ready, "", 1);
	(void)poll(&tried, 1, 10000);
	_exit(0);
}

/*
 * SIGKILL while it starts a worker: the child that is to be the worker has the same open files
 * until it has closed them.
 */
TEST(the_child_of_a_killed_broker_is_waited_for)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 512);
	int ready[2];
	pid_t broker;
	char byte;

	start();
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	broker = fork();
	CHECK(broker >= 0);
	if (broker == 0) {
		if (rundir_open(&rd, path, false, &error) == 0 && fork() == 0)
			hold_until_tried(&rd, ready[1]);
		(void)!read(ready[0], &byte, 1);
		_exit(0);
	}
	CHECK_EQ(waitpid(broker, NULL, 0), broker);
	CHECK_EQ(rundir_open(&rd, path, false, &error), 0);
	CHECK_EQ(try_connect(), 0);
	close(ready[0]);
	close(ready[1]);
	rundir_close(&rd);
	stop();
}

TEST(what_a_killed_broker_left_is_taken_over)
{
	struct rundir rd = RUNDIR_INIT, next = RUNDIR_INIT;
	STRBUF(error, 512);

	start();
	CHECK_EQ(rundir_open(&rd, path, false, &error), 0);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), 0);
	/* Killed: the kernel closes the descriptors, the names stay. */
	close(rd.lock_fd);
	close(rd.rendezvous_fd);
	close(rd.pid_fd);
	CHECK_EQ(try_connect(), -ECONNREFUSED);
	CHECK_EQ(rundir_open(&next, path, false, &error), 0);
	CHECK_EQ(rundir_write_pid(&next, pid_file, &error), 0);
	CHECK_EQ(try_connect(), 0);
	rundir_close(&next);
	free(rd.path);
	free(rd.rendezvous);
	free(rd.lock);
	free(rd.pid_file);
	close(rd.dir_fd);
	stop();
}

TEST(a_path_too_long_for_a_socket_is_said_so)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 1024);
	char deep[200];

	start();
	snprintf(deep, sizeof(deep), "%s/%0100d", base, 0);
	CHECK_EQ(rundir_open(&rd, deep, false, &error), -ENAMETOOLONG);
	CHECK_CONTAINS(error.text, "too long");
	CHECK_CONTAINS(error.text, "run_dir");
	rundir_close(&rd);
	CHECK_EQ(access(deep, F_OK), -1);
	stop();
}

/* The longest that is allowed, as the message counts it, is allowed. */
TEST(the_longest_path_works)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 1024);
	struct sockaddr_un sun;
	char deep[200];
	int longest = (int)(sizeof(sun.sun_path) - strlen("/" RENDEZVOUS_NAME) - 1);

	start();
	snprintf(deep, sizeof(deep), "%s/%0*d", base, longest - (int)strlen(base) - 1, 0);
	CHECK_EQ(strlen(deep), longest);
	CHECK_EQ(rundir_open(&rd, deep, false, &error), 0);
	rundir_close(&rd);
	stop();
}

TEST(what_somebody_else_prepared_is_refused)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 1024);
	char made[80];
	int fd;

	start();
	snprintf(made, sizeof(made), "%s/link", base);
	CHECK_EQ(symlink("/tmp", made), 0);
	CHECK_EQ(rundir_open(&rd, made, false, &error), -ENOTDIR);
	CHECK_CONTAINS(error.text, "cannot use the run directory");
	rundir_close(&rd);
	CHECK_EQ(unlink(made), 0);

	fd = open(made, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(rundir_open(&rd, made, false, &error), -ENOTDIR);
	rundir_close(&rd);
	CHECK_EQ(access(made, F_OK), 0);
	CHECK_EQ(unlink(made), 0);
	stop();
}

TEST(a_pid_file_names_us_and_is_locked)
{
	struct rundir rd = RUNDIR_INIT, other = RUNDIR_INIT;
	STRBUF(error, 1024);
	char text[32] = "", want[64];
	int fd;

	start();
	/* Longer than what we write: nothing of it may be left behind our number. */
	fd = open(pid_file, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	CHECK_EQ(write(fd, "1234567890123456\n", 17), 17);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), 0);
	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d\n", (int)getpid());
	CHECK_STR(text, want);

	CHECK_EQ(rundir_write_pid(&other, pid_file, &error), -EBUSY);
	snprintf(want, sizeof(want), "another broker (pid %d) holds the pid file", (int)getpid());
	CHECK_CONTAINS(error.text, want);
	rundir_close(&other);
	CHECK_EQ(access(pid_file, F_OK), 0);
	rundir_close(&rd);
	CHECK_EQ(access(pid_file, F_OK), -1);
	stop();
}

TEST(a_pid_file_that_is_a_link_is_not_written_through)
{
	struct rundir rd = RUNDIR_INIT;
	STRBUF(error, 1024);

	start();
	snprintf(sock, sizeof(sock), "%s/victim", base);
	CHECK_EQ(symlink(sock, pid_file), 0);
	CHECK_EQ(rundir_write_pid(&rd, pid_file, &error), -ELOOP);
	CHECK_EQ(access(sock, F_OK), -1);
	rundir_close(&rd);
	CHECK_EQ(unlink(pid_file), 0);
	stop();
}

TEST(each_config_file_has_a_default_of_its_own)
{
	char *a, *b, *c;

	CHECK_EQ(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
	a = rundir_default("/proc/self/status");
	b = rundir_default("/proc/self/../self/status");
	c = rundir_default("/proc/self/stat");
	CHECK(a && b && c);
	CHECK_STR(a, b);
	CHECK(strcmp(a, c) != 0);
	CHECK(*a == '/' && strstr(a, "/broker/"));
	free(c);
	c = rundir_default(NULL);
	CHECK_CONTAINS(c, "/pid-");
	free(a);
	free(b);
	free(c);
}

TAP_MAIN()
