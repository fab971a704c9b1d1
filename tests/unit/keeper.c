/* links: broker/sys/keeper broker/sys/confine broker/sys/spawn broker/sys/loop broker/sys/pair */
/* links: broker/base/heap broker/base/strbuf broker/base/units broker/sys/proc */
/* links: broker/sys/program broker/sys/rights */
/* wrap: syscall */
#include "sys/pair.h"
#include "sys/keeper.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sys/loop.h"
#include "sys/spawn.h"

static bool refused;

/* A keeper that is wrong about a pid must not reach it: init, or everybody. */
long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);
long __wrap_syscall(long n, ...)
{
	va_list ap;
	long a, b, c, d;

	va_start(ap, n);
	a = va_arg(ap, long);
	b = va_arg(ap, long);
	c = va_arg(ap, long);
	d = va_arg(ap, long);
	va_end(ap);
	if (n == SYS_pidfd_open && (pid_t)a <= 1)
		_exit(99);
	if (n == SYS_pidfd_send_signal && refused) {
		errno = EPERM;
		return -1;
	}
	return __real_syscall(n, a, b, c, d);
}

static int sock = -1;
static pid_t keeper;

static void keeper_start(void)
{
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	CHECK_EQ(spawn_helper(keeper_run, ends[0], &keeper), 0);
	close(ends[0]);
	sock = ends[1];
}

static void tell(pid_t pid, int sig, int64_t drain_ms, int64_t stop_ms)
{
	struct keeper_entry e = { pid, sig, drain_ms, stop_ms };

	CHECK_EQ(write(sock, &e, sizeof(e)), sizeof(e));
}

/* The broker is gone without a word. */
static void broker_dies(void)
{
	close(sock);
}

static int keeper_status(void)
{
	int status;

	CHECK_EQ(waitpid(keeper, &status, 0), keeper);
	return status;
}

/* A worker that ends at SIGTERM and SIGUSR1, or @stubborn ignores both. */
static pid_t worker(bool stubborn)
{
	int ready[2];
	char byte;
	pid_t pid;

	CHECK_EQ(pipe(ready), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (sock >= 0)
			close(sock);
		(void)alarm(20); /* should the keeper fail, nobody else ends it */
		(void)signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				(void)pause();
		_exit(1);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* Which signal ended it, and not before @least_ms since @since. */
static int ended_by(pid_t pid, int64_t since, int64_t least_ms)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(loop_clock_ms() - since >= least_ms);
	CHECK(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static void end_worker(pid_t pid)
{
	CHECK(pid > 1);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(workers_get_their_drain_time_then_the_signal)
{
	pid_t a = worker(false), b = worker(false);
	int64_t since;

	keeper_start();
	tell(a, SIGTERM, 60, 10000);
	tell(b, SIGUSR1, 20, 10000);
	since = loop_clock_ms();
	broker_dies();
	CHECK_EQ(ended_by(b, since, 20), SIGUSR1);
	CHECK_EQ(ended_by(a, since, 60), SIGTERM);
	CHECK_EQ(keeper_status(), 0);
}

TEST(who_ignores_the_signal_is_killed_after_its_stop_time)
{
	pid_t a = worker(true);
	int64_t since;

	keeper_start();
	tell(a, SIGTERM, 20, 30);
	since = loop_clock_ms();
	broker_dies();
	CHECK_EQ(ended_by(a, since, 50), SIGKILL);
	CHECK_EQ(keeper_status(), 0);
}

/* What it has of a worker does not pile up while the broker lives. */
TEST(who_may_not_be_signalled_is_not_waited_for)
{
	pid_t w = worker(false);

	refused = true;
	keeper_start();
	tell(w, SIGTERM, 0, 20);
	broker_dies();
	CHECK_EQ(keeper_status(), 0);
	end_worker(w);
}

TEST(who_ends_while_the_broker_lives_is_forgotten)
{
	pid_t a = worker(false), b = worker(false);
	struct keeper_entry e = { a, SIGTERM, 0, 0 };
	struct pollfd output;
	int ends[2];

	CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	keeper_start();
	tell(b, SIGTERM, 0, 0);
	CHECK_EQ(handoff_send(sock, &e, sizeof(e), ends, 1, MSG_DONTWAIT), 0);
	close(ends[0]);
	output = (struct pollfd){ .fd = ends[1] };
	CHECK_EQ(poll(&output, 1, 0), 0);
	end_worker(a);
	CHECK_EQ(poll(&output, 1, -1), 1); /* no reader any more */
	close(ends[1]);
	CHECK_EQ(waitpid(b, NULL, WNOHANG), 0);
	broker_dies();
	CHECK_EQ(ended_by(b, 0, 0), SIGTERM);
	CHECK_EQ(keeper_status(), 0);
}

TEST(nothing_happens_while_the_broker_lives)
{
	pid_t a = worker(false);

	keeper_start();
	tell(a, SIGTERM, 0, 0);
	/* Far more than the socket holds: when all is written, the keeper has read the first. */
	for (int n = 0; n < 2000; n++)
		tell(1, SIGCONT, 0, 0);
	CHECK_EQ(waitpid(a, NULL, WNOHANG), 0);
	CHECK_EQ(waitpid(keeper, NULL, WNOHANG), 0);
	broker_dies();
	CHECK_EQ(ended_by(a, 0, 0), SIGTERM);
	CHECK_EQ(keeper_status(), 0);
}

TEST(many_workers)
{
	enum { N = 40 };
	pid_t pids[N];

	keeper_start();
	for (int i = 0; i < N; i++) {
		pids[i] = worker(false);
		tell(pids[i], SIGTERM, i % 7, 10000);
	}
	broker_dies();
	for (int i = 0; i < N; i++)
		CHECK_EQ(ended_by(pids[i], 0, 0), SIGTERM);
	CHECK_EQ(keeper_status(), 0);
}

TEST(pids_that_mean_others_are_not_listened_to)
{
	static const pid_t pids[] = { 1, 0, -1, INT32_MIN };

	keeper_start();
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		tell(pids[i], SIGCONT, 600000, 600000);
	broker_dies();
	CHECK_EQ(keeper_status(), 0);
}

TEST(who_has_ended_already_does_not_matter)
{
	pid_t a = worker(false);

	end_worker(a);
	keeper_start();
	tell(a, SIGTERM, 600000, 600000);
	broker_dies();
	CHECK_EQ(keeper_status(), 0);
}

TEST(half_a_message_touches_nobody)
{
	pid_t a = worker(false);

	keeper_start();
	tell(a, SIGTERM, 0, 0);
	CHECK_EQ(write(sock, "half", 4), 4);
	broker_dies();
	CHECK_EQ(keeper_status(), EBADMSG << 8);
	end_worker(a);
}

/*
 * The broker read what the worker writes. When nobody does, the next line would be its last
 * (SIGPIPE), in the middle of a request; so the keeper reads on.
 */
TEST(a_worker_that_writes_outlives_the_reader_of_its_output)
{
	struct keeper_entry e = { 0, SIGTERM, 600000, 600000 };
	int output[2], done[2], status;
	char byte, line[4096] = "";
	pid_t pid;

	CHECK_EQ(pipe2(output, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(done, O_CLOEXEC), 0);
	CHECK_EQ(fcntl(output[0], F_SETFL, O_NONBLOCK), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(output[0]);
		close(done[1]);
		(void)!read(done[0], &byte, 1); /* until the broker is gone */
		for (int i = 0; i < 100; i++)
			if (write(output[1], line, sizeof(line)) != (ssize_t)sizeof(line))
				_exit(1);
		_exit(0);
	}
	close(output[1]);
	close(done[0]);
	keeper_start();
	e.pid = pid;
	CHECK_EQ(handoff_send(sock, &e, sizeof(e), output, 1, MSG_DONTWAIT), 0);
	close(output[0]);
	broker_dies();
	close(done[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(keeper_status(), 0);
}

TAP_MAIN()
