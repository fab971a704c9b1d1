/* links: broker/parent broker/requests broker/started broker/sys/starter */
/* links: broker/sys/starter_wire broker/sys/pair */
/* links: broker/sys/spawn broker/sys/confine broker/sys/loop broker/sys/proc broker/sys/dir */
/* links: broker/sys/program */
/* links: broker/sys/rights broker/base/heap broker/base/strbuf broker/base/units */
/* links: broker/policy/histogram */
/* links: broker/sys/pid_set */
/* wrap: kill */
#include "parent.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "handoff_rights.h"
#include "policy/kept.h"
#include "sys/loop.h"
#include "sys/starter.h"

#define SOCK 64 /* where the broker has its end */

/* A parent that is wrong about a pid must not reach init, or everybody. */
int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
	if (pid <= 1 && pid >= -1)
		_exit(99);
	return __real_kill(pid, sig);
}

static int output[2]; /* of what is started; the broker and the test read it */

/* Runs @broker as the broker of a parent. How the parent ended, as waitpid(2) gives it. */
static int status_with(void (*broker)(void))
{
	int status, code = 1;
	pid_t pid;

	CHECK_EQ(pipe2(output, O_CLOEXEC), 0);
	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (parent_run(&code) != 1)
			_exit(code);
		broker();
		_exit(0);
	}
	close(output[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

/* The rest of what was written. */
static const char *output_rest(void)
{
	static char text[256];
	size_t n = 0;
	ssize_t got;

	while ((got = read(output[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(output[0]);
	text[n] = '\0';
	return text;
}

static pid_t start(const char *script)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)script, NULL };
	char *envp[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", NULL };
	struct spawn_request req = {
		.program = "/bin/sh", .argv = argv, .envp = envp, .output_fd = output[1]
	};
	STRBUF(error, 256);
	pid_t pid = 0;
	int fd = -1;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &req.nofile), 0);
	CHECK_EQ(starter_start(&req, &pid, &fd, &error), 0);
	CHECK(pid > 1);
	close(fd);
	return pid;
}

/* The next four bytes of the output. */
static void await(const char *word)
{
	char got[5] = "";

	for (size_t n = 0; n < 4; n++)
		CHECK_EQ(read(output[0], got + n, 1), 1);
	CHECK_STR(got, word);
}

static void die(void)
{
	raise(SIGKILL);
}

#define LOOP	 "while :; do sleep .01; done"
#define OBEDIENT "trap 'echo term; exit' TERM; trap 'echo usr1; exit' USR1; echo up.; " LOOP
#define STUBBORN "trap 'echo term' TERM; echo up.; " LOOP

static void broker_with_two(void)
{
	CHECK_EQ(starter_keep(start(OBEDIENT), SIGTERM, 2000, 10000, -1), 0);
	await("up.\n");
	CHECK_EQ(starter_keep(start(OBEDIENT), SIGUSR1, 20, 10000, -1), 0);
	await("up.\n");
	die();
}

TEST(workers_get_their_drain_time_then_the_signal)
{
	int64_t since = loop_clock_ms();

	CHECK_EQ(status_with(broker_with_two), SIGKILL);
	CHECK(loop_clock_ms() - since >= 2000);
	CHECK_STR(output_rest(), "usr1\nterm\n");
}

static void broker_with_a_stubborn_one(void)
{
	CHECK_EQ(starter_keep(start(STUBBORN), SIGTERM, 20, 2000, -1), 0);
	await("up.\n");
	die();
}

TEST(who_ignores_the_signal_is_killed_after_its_stop_time)
{
	int64_t since = loop_clock_ms();

	CHECK_EQ(status_with(broker_with_a_stubborn_one), SIGKILL);
	CHECK(loop_clock_ms() - since >= 2020);
	CHECK_STR(output_rest(), "term\n");
}

static void broker_with_an_unnamed_one(void)
{
	(void)start(OBEDIENT);
	await("up.\n");
	die();
}

TEST(who_was_not_named_is_told_at_once)
{
	CHECK_EQ(status_with(broker_with_an_unnamed_one), SIGKILL);
	CHECK_STR(output_rest(), "term\n");
}

/* Without a reader the next line would be the worker's last (SIGPIPE), in the middle of a request.
 */
static void broker_that_reads(void)
{
	char script[256];
	int written[2];

	CHECK_EQ(pipe2(written, O_CLOEXEC), 0);
	CHECK_EQ(fcntl(written[0], F_SETFL, O_NONBLOCK), 0);
	/* Its output is another pipe here; it answers on the first one, through /proc. */
	snprintf(script, sizeof(script),
		 "exec 4>/proc/%d/fd/%d; echo up. >&4; while [ -d /proc/%d/task ]; do sleep .01; "
		 "done;"
		 "i=0; while [ $i -lt 100 ]; do printf %%4096s x || exit; i=$((i+1)); done; echo "
		 "end >&4",
		 getpid(), output[1], getpid());
	int out = output[1];
	output[1] = written[1];
	pid_t pid = start(script);
	output[1] = out;
	CHECK_EQ(starter_keep(pid, SIGTERM, 20000, 10000, written[0]), 0);
	close(written[0]);
	close(written[1]);
	await("up.\n");
	die();
}

TEST(a_worker_that_writes_outlives_the_reader_of_its_output)
{
	CHECK_EQ(status_with(broker_that_reads), SIGKILL);
	CHECK_STR(output_rest(), "end\n");
}

static void broker_that_fails(void)
{
	_exit(7);
}

TEST(it_ends_as_the_broker_did)
{
	CHECK_EQ(status_with(broker_that_fails), 7 << 8);
	close(output[0]);
	CHECK_EQ(status_with(die), SIGKILL);
	close(output[0]);
}

/* In a child of the broker: once that has ended, asks to go on in its place. */
static int succeed(uint32_t last_request)
{
	const struct kept_run kept = { .parent_number = last_request };
	pid_t broker = getpid(), pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return 1;
	while (getppid() == broker)
		(void)poll(NULL, 0, 1);
	return starter_succeed(&kept, false);
}

static void await_end(pid_t pid)
{
	for (int ms = 0; ms < 10000 && kill(pid, 0) == 0; ms++)
		(void)poll(NULL, 0, 1);
	CHECK_EQ(kill(pid, 0), -1);
}

static void broker_with_a_shadow(void)
{
	pid_t known = start(OBEDIENT), unknown = start(STUBBORN);

	await("up.\n");
	await("up.\n");
	CHECK_EQ(starter_keep(known, SIGTERM, 0, 10000, -1), 0);
	CHECK_EQ(starter_keep(unknown, SIGTERM, 60000, 10000, -1), 0);
	if (succeed(1) == 1)
		die();
	/* It is a broker: what the state of the one before did not know of is killed. */
	await_end(unknown);
	CHECK_EQ(kill(known, 0), 0);
	CHECK_EQ(starter_kill(known, false, SIGUSR1), 0);
	await("usr1");
	await_end(known); /* or it hears of the parent's end, too */
	_exit(5);
}

TEST(the_shadow_of_a_broker_that_was_killed_is_the_broker)
{
	CHECK_EQ(status_with(broker_with_a_shadow), 5 << 8);
	CHECK_STR(output_rest(), "\n");
}

static void broker_that_ends_in_order(void)
{
	int r = succeed(0);

	if (r == 1)
		_exit(3);
	CHECK_EQ(write(output[1], r == -EPERM ? "no" : "yes", 2), 2);
}

TEST(nobody_goes_on_for_a_broker_that_has_ended_in_order)
{
	CHECK_EQ(status_with(broker_that_ends_in_order), 3 << 8);
	CHECK_STR(output_rest(), "no");
}

static void on_signal(int sig)
{
	(void)sig;
	_exit(42);
}

static void broker_that_is_signalled(void)
{
	CHECK(signal(SIGHUP, on_signal) != SIG_ERR);
	CHECK_EQ(kill(starter_pid(), SIGHUP), 0);
	for (;;)
		(void)pause();
}

TEST(a_signal_is_passed_on)
{
	CHECK_EQ(status_with(broker_that_is_signalled), 42 << 8);
	close(output[0]);
}

/* --- what it is told and tells ---------------------------------------------------------------- */

/* Sends @m as it is, and takes the next message. */
static void exchange(struct starter_message *m, size_t size)
{
	struct pollfd p = { .fd = SOCK, .events = POLLIN };

	CHECK_EQ(send(SOCK, m, size, 0), size);
	do {
		CHECK_EQ(poll(&p, 1, 10000), 1);
		CHECK(recv(SOCK, m, sizeof(*m), 0) > 0);
	} while (m->type == STARTER_ENDED);
}

static int signal_answer(pid_t pid, bool group, int sig)
{
	struct starter_message m = { .version = STARTER_VERSION,
				     .type = STARTER_SIGNAL,
				     .number = 77,
				     .pid = pid,
				     .signal = { sig, group } };

	exchange(&m, starter_size(STARTER_SIGNAL));
	if (m.type == STARTER_FAILED)
		return -m.failed.error;
	CHECK_EQ(m.type, STARTER_DONE);
	CHECK_EQ(m.number, 77);
	return 0;
}

static void broker_that_signals(void)
{
	pid_t grandparent = getsid(0), mine = start("(" LOOP ") & echo up.; wait");

	await("up.\n");
	/* Others, itself, and what means many. */
	CHECK_EQ(signal_answer(starter_pid(), false, SIGKILL), -EPERM);
	CHECK_EQ(signal_answer(getpid(), false, SIGKILL), -EPERM);
	CHECK_EQ(signal_answer(getpid(), true, SIGKILL), -EPERM);
	if (grandparent > 1)
		CHECK_EQ(signal_answer(grandparent, false, 0), -EPERM);
	CHECK_EQ(signal_answer(1, false, 0), -EBADMSG);
	CHECK_EQ(signal_answer(0, true, 0), -EBADMSG);
	CHECK_EQ(signal_answer(-1, false, 0), -EBADMSG);
	CHECK_EQ(signal_answer(mine, false, 0), 0);
	CHECK_EQ(signal_answer(mine, true, SIGKILL), 0);
	_exit(5);
}

TEST(it_signals_only_what_it_has_started)
{
	CHECK_EQ(status_with(broker_that_signals), 5 << 8);
	(void)output_rest(); /* all of the group have ended */
}

static void broker_that_babbles(void)
{
	struct starter_message m = { .version = STARTER_VERSION, .type = STARTER_START };

	exchange(&m, 9);
	CHECK_EQ(m.type, STARTER_FAILED);
	CHECK_EQ(m.failed.error, EBADMSG);
	m = (struct starter_message){ .version = STARTER_VERSION,
				      .type = STARTER_START,
				      .start = { .n_argv = 1 } };
	exchange(&m, starter_size(STARTER_START)); /* without its words */
	CHECK_EQ(m.type, STARTER_FAILED);
	CHECK_EQ(m.failed.error, EMFILE);
}

TEST(half_a_message_touches_nobody)
{
	CHECK_EQ(status_with(broker_that_babbles), 0);
	close(output[0]);
}

#define MANY 600

static void broker_that_is_slow(void)
{
	struct pollfd p = { .fd = SOCK, .events = POLLIN };
	struct starter_message m;
	int ends = 0;
	char script[128];

	snprintf(script, sizeof(script),
		 "i=0; while [ $i -lt %d ]; do (true &); i=$((i+1)); done; echo all.", MANY);
	(void)start(script);
	close(output[1]);
	await("all.");
	/* More than the socket holds. */
	while (ends < MANY + 1) {
		CHECK_EQ(poll(&p, 1, 10000), 1);
		CHECK(recv(SOCK, &m, sizeof(m), 0) > 0);
		CHECK_EQ(m.type, STARTER_ENDED);
		CHECK_EQ(m.ended.status, 0);
		ends++;
	}
	CHECK_EQ(poll(&p, 1, 0), 0);
}

TEST(no_end_is_lost_on_a_broker_that_does_not_read)
{
	CHECK_EQ(status_with(broker_that_is_slow), 0);
	close(output[0]);
}

static void broker_that_asks_a_stopped_one(void)
{
	struct spawn_request req = { .program = "/bin/true",
				     .output_fd = -1,
				     .argv = (char *[]){ (char *)(uintptr_t) "true", NULL } };
	STRBUF(error, 256);
	int64_t since = loop_clock_ms();
	pid_t pid = 0;
	int fd = -1;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &req.nofile), 0);
	CHECK_EQ(kill(starter_pid(), SIGSTOP), 0);
	CHECK_EQ(starter_start(&req, &pid, &fd, &error), -EBUSY);
	CHECK_CONTAINS(error.text, "does not answer: is it stopped?");
	CHECK(loop_clock_ms() - since >= 2000);
	/* Once is enough. */
	since = loop_clock_ms();
	CHECK_EQ(starter_start(&req, &pid, &fd, &error), -EBUSY);
	CHECK(loop_clock_ms() - since < 1000);
	CHECK_EQ(kill(starter_pid(), SIGCONT), 0);
	while (starter_start(&req, &pid, &fd, &error) == -EBUSY)
		(void)usleep(1000);
	CHECK(pid > 1);
	close(fd);
}

TEST(one_that_does_not_answer_is_waited_for_once)
{
	CHECK_EQ(status_with(broker_that_asks_a_stopped_one), 0);
	close(output[0]);
}

TAP_MAIN()
