/* links: broker/policy/core_pattern broker/base/strbuf */
#include "policy/core_pattern.h"
#include "tap.h"

static const struct core_facts known = {
	.directory = "/srv/web",
	.host = "host1",
	.pid = 4711,
	.global_pid = 94711,
	.signal = 11,
};

static const struct core_facts little = {
	.directory = "/srv/web",
	.host = "host1",
	.pid = 4711,
	.signal = 6,
};

static void check(const struct core_facts *facts, const char *pattern, enum core_place place,
		  const char *want)
{
	STRBUF(out, 512);

	CHECK_EQ(core_pattern_expand(pattern, facts, &out), place);
	CHECK_STR(out.text, want);
}

TEST(each_specifier_is_what_core_5_says)
{
	check(&known, "core", CORE_FILE, "/srv/web/core");
	check(&known, "/var/core/%h.%p\n", CORE_FILE, "/var/core/host1.4711");
	check(&known, "/c/%P-%s-%h-%p", CORE_FILE, "/c/94711-11-host1-4711");
	check(&known, "/c/100%%", CORE_FILE, "/c/100%");
	check(&known, "cores/%p", CORE_FILE, "/srv/web/cores/4711");
}

TEST(what_the_kernel_does_not_know_it_leaves_out)
{
	check(&known, "/c/a%zb%Qc", CORE_FILE, "/c/abc");
	check(&known, "/c/end%", CORE_FILE, "/c/end");
	check(&known, "%", CORE_FILE, "/srv/web/");
}

TEST(a_name_is_no_path)
{
	struct core_facts facts = known;

	facts.host = "a/b";
	check(&facts, "/c/%h", CORE_FILE, "/c/a!b");
	facts.host = "..";
	check(&facts, "/c/%h", CORE_FILE, "/c/!.");
	facts.host = ".";
	check(&facts, "/c/%h", CORE_FILE, "/c/!");
	facts.host = "";
	check(&facts, "/c/%h", CORE_FILE, "/c/!");
	facts.host = ".hidden";
	check(&facts, "/c/%h", CORE_FILE, "/c/.hidden");
}

TEST(the_pid_is_added_unless_it_is_there)
{
	struct core_facts facts = known;

	facts.uses_pid = true;
	check(&facts, "core", CORE_FILE, "/srv/web/core.4711");
	check(&facts, "core.%p", CORE_FILE, "/srv/web/core.4711");
	check(&facts, "core.%P", CORE_FILE, "/srv/web/core.94711.4711");
	check(&facts, "core%%p", CORE_FILE, "/srv/web/core%p.4711");
}

TEST(what_only_the_process_knew_is_a_pattern)
{
	check(&little, "/c/core.%e.%p", CORE_GLOB, "/c/core.*.4711");
	check(&little, "/c/%P.%u.%g.%t.%c.%f.%E", CORE_GLOB, "/c/*.*.*.*.*.*.*");
	check(&known, "/c/%i.%I.%d.%C", CORE_GLOB, "/c/*.*.*.*");
	check(&little, "/c/core.%p.%s", CORE_FILE, "/c/core.4711.6");
}

TEST(what_glob_would_act_on_is_kept_as_it_is)
{
	struct core_facts facts = little;

	facts.directory = "/srv/[a]*\\?";
	check(&facts, "x*", CORE_FILE, "/srv/[a]*\\?/x*");
	check(&facts, "x*.%e", CORE_GLOB, "/srv/\\[a]\\*\\\\\\?/x\\*.*");
}

TEST(a_program_or_a_socket_gets_it)
{
	check(&known, "|/usr/lib/systemd/systemd-coredump %P %u\n", CORE_PROGRAM,
	      "/usr/lib/systemd/systemd-coredump");
	check(&known, "|/bin/x\n", CORE_PROGRAM, "/bin/x");
	check(&known, "@/run/core.socket", CORE_SOCKET, "/run/core.socket");
	check(&known, "@@/run/core.socket", CORE_SOCKET, "/run/core.socket");
	check(&known, "", CORE_NOWHERE, "");
	check(&known, "\n", CORE_NOWHERE, "");
}

TAP_MAIN()
