/* links: broker/ctl/debugger broker/base/strbuf broker/base/words broker/base/units */
#include "ctl/debugger.h"
#include "base/words.h"
#include "tap.h"

#include <errno.h>

static char built[4096], reason[512];
static bool filtered; /* the process */
static const char *program;

static int build(const char *typed)
{
	char copy[256], *words[64], *rest = copy, **line;
	struct strbuf error;
	size_t n = 0;
	int r;

	snprintf(copy, sizeof(copy), "%s", typed);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			words[n++] = word;
	strbuf_init(&error, reason, sizeof(reason));
	words[n] = NULL;
	r = debugger_build(words, 812, filtered, program, &line, &error);
	built[0] = '\0';
	if (r < 0)
		return r;
	for (size_t i = 0; line[i]; i++)
		snprintf(built + strlen(built), sizeof(built) - strlen(built), "%s%s", i ? " " : "",
			 line[i]);
	strlist_free(line);
	return 0;
}

TEST(each_tool_gets_the_process_where_it_wants_it)
{
	static const struct {
		const char *typed, *run;
	} cases[] = {
		{ "gdb -p {pid}", "gdb -p 812" },
		{ "sh -c x{pid}y{pid}", "sh -c x812y812" },
		{ "gdb", "gdb -p 812" },
		{ "/usr/bin/gdb -q -ex bt", "/usr/bin/gdb -q -ex bt -p 812" },
		{ "lldb", "lldb -p 812" },
		{ "strace -f -o out", "strace -f -o out -p 812" },
		{ "sudo strace -f", "sudo strace -f -p 812" },
		{ "perf", "perf top -p 812" },
		{ "perf trace", "perf trace -p 812" },
		{ "perf record -g -- sleep 5", "perf record -p 812 -g -- sleep 5" },
		{ "gdbserver 127.0.0.1:2345", "gdbserver --attach 127.0.0.1:2345 812" },
		{ "gdbserver --once :1", "gdbserver --attach --once :1 812" },
		{ "gdbserver --attach :1", "gdbserver --attach :1 812" },
		{ "gdbserver --attach :1 {pid}", "gdbserver --attach :1 812" },
		{ "some-tool -v", "some-tool -v -p 812" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(build(cases[i].typed), 0);
		CHECK_STR(built, cases[i].run);
	}
}

TEST(a_debugger_passes_the_signal_of_a_trapped_call)
{
	filtered = true;
	CHECK_EQ(build("gdb -q"), 0);
	CHECK_STR(built, "gdb -ex handle SIGSYS nostop noprint pass -q -p 812");
	CHECK_EQ(build("lldb"), 0);
	CHECK_STR(built, "lldb -o process handle -s false -n false -p true SIGSYS -p 812");
	CHECK_EQ(build("strace"), 0);
	CHECK_STR(built, "strace -p 812");
	filtered = false;
}

TEST(gdb_is_told_the_file_that_the_kernel_does_not_know)
{
	program = "/srv/a b";
	CHECK_EQ(build("gdb -q"), 0);
	CHECK_STR(built, "gdb -iex set exec-file-mismatch off -iex file '/srv/a b' -q -p 812");
	CHECK_EQ(build("strace"), 0);
	CHECK_STR(built, "strace -p 812");
	program = NULL;
}

TEST(a_tool_that_cannot_attach_is_refused_with_a_way_out)
{
	CHECK_EQ(build("rr record"), -EINVAL);
	CHECK_CONTAINS(reason, "wrap.N");
	CHECK_EQ(build("/usr/bin/valgrind"), -EINVAL);
	CHECK_CONTAINS(reason, "valgrind cannot attach");
	CHECK_EQ(build("gdbserver"), -EINVAL);
	CHECK_CONTAINS(reason, "HOST:PORT");
	CHECK_EQ(build(""), -EINVAL);
	CHECK_CONTAINS(reason, "after --");
}

TEST(words_are_bounded)
{
	char long_word[5000], *words[] = { long_word, NULL }, **line = NULL;
	STRBUF(error, 256);

	memset(long_word, 'x', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	CHECK_EQ(debugger_build(words, 812, false, NULL, &line, &error), -E2BIG);
	CHECK(!line);
	CHECK_EQ(debugger_build(NULL, 812, false, NULL, &line, &error), -EINVAL);
}

TAP_MAIN()
