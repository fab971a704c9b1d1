/* links: broker/sys/starter broker/sys/starter_wire broker/sys/spawn broker/sys/confine */
/* links: broker/sys/loop broker/sys/pair broker/sys/proc broker/sys/dir broker/sys/program */
/* links: broker/sys/rights */
/* links: broker/base/heap broker/base/strbuf broker/base/units broker/policy/histogram */
/* links: broker/sys/pid_set */
#include "sys/starter.h"
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- messages ---------------------------------------------------------------------------- */

static struct starter_message message(enum starter_type type)
{
	struct starter_message m = { .version = STARTER_VERSION, .type = type, .pid = 2 };

	switch (type) {
	case STARTER_START:
		m.start.n_argv = 1;
		break;
	case STARTER_SIGNAL:
		m.signal.sig = SIGTERM;
		break;
	case STARTER_RIGHTS:
		m.rights.n = 1;
		break;
	case STARTER_KEEP:
		m.keep.sig = SIGTERM;
		break;
	case STARTER_FAILED:
		m.failed.error = ENOMEM;
		break;
	case STARTER_ENTER:
	case STARTER_NOTIFY:
	case STARTER_DONE:
	case STARTER_ENDED:
	case STARTER_HERE:
		break;
	}
	return m;
}

static bool good(const struct starter_message *m)
{
	return starter_check(m, starter_size(m->type));
}

TEST(a_message_has_its_size_and_version)
{
	for (unsigned type = STARTER_START; type <= STARTER_HERE; type++) {
		struct starter_message m = message((enum starter_type)type);
		size_t size = starter_size(type);

		CHECK(good(&m));
		for (size_t other = 0; other <= sizeof(m); other++)
			CHECK_EQ(starter_check(&m, other), other == size);
		m.version++;
		CHECK(!good(&m));
	}
	for (unsigned type = STARTER_HERE + 1; type < 99; type++)
		CHECK_EQ(starter_size(type), 0);
	CHECK_EQ(starter_size(0), 0);
}

TEST(a_number_that_it_may_not_have_is_refused)
{
#define REFUSE(type, field, value)                                                                 \
	do {                                                                                       \
		struct starter_message m_ = message(type);                                         \
		m_.field = value;                                                                  \
		CHECK(!good(&m_));                                                                 \
	} while (0)
	static const pid_t pids[] = { 1, 0, -1, INT32_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		REFUSE(STARTER_SIGNAL, pid, pids[i]);
		REFUSE(STARTER_KEEP, pid, pids[i]);
		REFUSE(STARTER_ENDED, pid, pids[i]);
		if (pids[i])
			REFUSE(STARTER_DONE, pid, pids[i]);
	}
	REFUSE(STARTER_START, start.n_argv, 0);
	REFUSE(STARTER_START, start.n_argv, UINT32_MAX);
	REFUSE(STARTER_START, start.n_envp, UINT32_MAX);
	REFUSE(STARTER_START, start.gain, 3);
	REFUSE(STARTER_START, start.socket_fds, 4);
	REFUSE(STARTER_START, start.has_output, 2);
	REFUSE(STARTER_START, start.output_to_status, 2);
	REFUSE(STARTER_START, start.ids.change, 2);
	REFUSE(STARTER_START, start.ids.uid, (uid_t)-1);
	REFUSE(STARTER_START, start.ids.gid, (gid_t)-1);
	REFUSE(STARTER_START, start.ids.n_groups, SPAWN_MAX_GROUPS + 1);
	REFUSE(STARTER_SIGNAL, signal.sig, -1);
	REFUSE(STARTER_SIGNAL, signal.sig, NSIG);
	REFUSE(STARTER_SIGNAL, signal.group, 2);
	REFUSE(STARTER_KEEP, keep.sig, 0);
	REFUSE(STARTER_KEEP, keep.drain_ms, -1);
	REFUSE(STARTER_KEEP, keep.stop_ms, -1);
	REFUSE(STARTER_RIGHTS, rights.n, 0);
	REFUSE(STARTER_RIGHTS, rights.n, STARTER_IDS_MAX + 1);
	REFUSE(STARTER_RIGHTS, rights.stay, 2);
	REFUSE(STARTER_RIGHTS, rights.gain, 2);
	REFUSE(STARTER_RIGHTS, rights.ids[0].uid, (uid_t)-1);
	REFUSE(STARTER_NOTIFY, notify.socket, 2);
	REFUSE(STARTER_FAILED, failed.error, 0);
}

TEST(a_text_has_its_end)
{
	struct starter_message m = message(STARTER_FAILED);

	memset(m.failed.text, 'x', sizeof(m.failed.text));
	CHECK(!good(&m));
	m = message(STARTER_NOTIFY);
	memset(m.notify.text, 'x', sizeof(m.notify.text));
	CHECK(!good(&m));
}

/* --- words --------------------------------------------------------------------------------- */

static char *word(const char *text)
{
	return (char *)(uintptr_t)text;
}

TEST(what_is_packed_is_what_is_unpacked)
{
	char *argv[] = { word("a"), word(""), word("b c"), NULL };
	char *envp[] = { word("X=1"), word("Y="), NULL };
	const struct spawn_request req = {
		.program = "/bin/a",
		.argv = argv,
		.envp = envp,
		.directory = "/d",
		.output_fd = 0,
		.process = { .nice = word("5"), .umask = word("027") },
		.commands = { "one" },
		.gain = GAIN_NO,
		.slot = 3,
		.nofile = { 10, 20 },
		.socket_fds = 2,
	};
	struct spawn_request got = { 0 };
	struct starter_start start;
	int fd;

	CHECK_EQ(starter_pack(&req, &start, &fd), 0);
	CHECK_EQ(start.n_argv, 3);
	CHECK_EQ(start.n_envp, 2);
	CHECK_EQ(start.gain, GAIN_NO);
	CHECK_EQ(start.slot, 3);
	CHECK_EQ(start.nofile_soft + start.nofile_hard, 30);
	CHECK_EQ(start.socket_fds, 2);
	CHECK_EQ(start.has_output, 1);
	CHECK_EQ(starter_unpack(&start, fd, &got), 0);
	CHECK_STR(got.program, "/bin/a");
	CHECK_STR(got.directory, "/d");
	CHECK_STR(got.argv[1], "");
	CHECK_STR(got.argv[2], "b c");
	CHECK(!got.argv[3]);
	CHECK_STR(got.envp[1], "Y=");
	CHECK(!got.envp[2]);
	CHECK_STR(got.process.nice, "5");
	CHECK_STR(got.process.umask, "027");
	CHECK(!got.process.limit_core);
	CHECK_STR(got.commands[0], "one");
	CHECK(!got.commands[1]);
	free((void *)(uintptr_t)got.argv);
	free((void *)(uintptr_t)got.envp);

	/* A word too few, or too many. */
	start.n_envp++;
	CHECK_EQ(starter_unpack(&start, fd, &got), -EBADMSG);
	start.n_envp -= 2;
	CHECK_EQ(starter_unpack(&start, fd, &got), -EBADMSG);
	start.n_envp++;
	CHECK_EQ(ftruncate(fd, 5), 0);
	CHECK_EQ(starter_unpack(&start, fd, &got), -EBADMSG);
	close(fd);
}

/* --- without a parent ------------------------------------------------------------------------ */

static int ask(const char *script, int limit_ms, char *ret_text, size_t size, int *ret_status)
{
	char *argv[] = { word("sh"), word("-c"), word(script), NULL };
	struct spawn_request req = { .program = "/bin/sh", .argv = argv, .output_to_status = true };
	STRBUF(error, 256);

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &req.nofile), 0);
	return starter_ask(&req, limit_ms, ret_text, size, ret_status, &error);
}

TEST(what_it_says_is_read_to_its_end)
{
	char text[16];
	int status;

	CHECK_EQ(ask("echo out; echo said >&3; exit 4", 60000, text, sizeof(text), &status), 0);
	CHECK_STR(text, "out\nsaid\n");
	CHECK_EQ(status, 4 << 8);
	CHECK_EQ(ask("echo begun; exec sleep 600", 300, text, sizeof(text), &status), -ETIMEDOUT);
	CHECK_EQ(status, SIGKILL);
	CHECK_EQ(ask("echo 0123456789abcdef; exec sleep 600", 60000, text, sizeof(text), &status),
		 0);
	CHECK_STR(text, "0123456789abcde");
	CHECK_EQ(status, SIGKILL);
}

TAP_MAIN()
