/* links: broker/policy/worker_end broker/base/units broker/base/strbuf */
#include "policy/worker_end.h"
#include "tap.h"

#include <signal.h>

#define EXITED(code)   ((code) << 8)
#define SIGNALLED(sig) (sig)

static void check(const struct worker_end_facts *facts, enum worker_end end, const char *words)
{
	STRBUF(text, 128);

	CHECK_EQ(worker_end_of(facts), end);
	worker_end_add_words(facts, &text);
	CHECK_STR(text.text, words);
}

TEST(each_way_to_end_has_its_reason_and_its_words)
{
	struct worker_end_facts f = { .exited = true, .status = EXITED(7), .listens = true };

	check(&f, WORKER_END_EXIT, "exit 7");
	f.status = EXITED(0);
	check(&f, WORKER_END_EXIT, "exit 0");
	f.status = SIGNALLED(SIGSEGV);
	check(&f, WORKER_END_SIGNAL, "signal 11 (SIGSEGV)");
	f.status |= 0x80; /* with a core */
	check(&f, WORKER_END_SIGNAL, "signal 11 (SIGSEGV)");
	f.starting = true;
	check(&f, WORKER_END_START_FAILED, "signal 11 (SIGSEGV)");
	f.status = EXITED(127);
	check(&f, WORKER_END_START_FAILED, "exit 127");
	f.exited = false;
	check(&f, WORKER_END_START_TIMEOUT, "did not listen in time");
	f.check = "status 503";
	check(&f, WORKER_END_START_TIMEOUT, "its check has not passed: status 503");
	f.starting = false;
	check(&f, WORKER_END_UNUSABLE, "accepts in a way that cannot be brokered");
	f.listens = false;
	check(&f, WORKER_END_CLOSED, "closed its listening socket");
}

TEST(names_are_distinct)
{
	for (unsigned a = 0; a < WORKER_END_N; a++) {
		CHECK(strcmp(worker_end_names[(enum worker_end)a], "?") != 0);
		for (unsigned b = a + 1; b < WORKER_END_N; b++)
			CHECK(strcmp(worker_end_names[(enum worker_end)a],
				     worker_end_names[(enum worker_end)b]) != 0);
	}
}

TAP_MAIN()
