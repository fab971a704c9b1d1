/* links: broker/ctl/debugger broker/base/strbuf */
#include "ctl/debugger.h"
#include "tap.h"

#include <errno.h>

static char built[4096], reason[512];

static int build(const char *typed)
{
	char copy[256], *words[64], *rest = copy;
	struct debugger d;
	struct strbuf error;
	size_t n = 0;
	int r;

	snprintf(copy, sizeof(copy), "%s", typed);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			words[n++] = word;
	strbuf_init(&error, reason, sizeof(reason));
	r = debugger_build(words, n, 812, &d, &error);
	built[0] = '\0';
	if (r < 0)
		return r;
	CHECK(!d.argv[d.n]);
	for (size_t i = 0; i < d.n; i++)
		snprintf(built + strlen(built), sizeof(built) - strlen(built), "%s%s", i ? " " : "",
			 d.argv[i]);
	debugger_free(&d);
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
	char *words[DEBUGGER_WORDS_MAX + 1], word[] = "x", long_word[5000];
	struct debugger d = { .n = 0 };
	STRBUF(error, 256);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = word;
	CHECK_EQ(debugger_build(words, ARRAY_SIZE(words), 812, &d, &error), -E2BIG);
	CHECK_EQ(debugger_build(words, DEBUGGER_WORDS_MAX, 812, &d, &error), -E2BIG);
	memset(long_word, 'x', sizeof(long_word));
	long_word[sizeof(long_word) - 1] = '\0';
	words[0] = long_word;
	CHECK_EQ(debugger_build(words, 1, 812, &d, &error), -E2BIG);
	CHECK_EQ(d.n, 0);
}

TAP_MAIN()
