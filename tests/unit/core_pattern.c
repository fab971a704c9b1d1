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

static void check(const struct core_facts *facts, const char *pattern, const char *want)
{
	STRBUF(out, 512);

	core_pattern_expand(pattern, facts, &out);
	CHECK_STR(out.text, want);
}

TEST(each_specifier_is_what_core_5_says)
{
	check(&known, "core", "/srv/web/core");
	check(&known, "/var/core/%h.%p\n", "/var/core/host1.4711");
	check(&known, "/c/%P-%s-%h-%p", "/c/94711-11-host1-4711");
	check(&known, "/c/100%%", "/c/100%");
	check(&known, "cores/%p", "/srv/web/cores/4711");
}

TEST(what_the_kernel_does_not_know_it_leaves_out)
{
	check(&known, "/c/a%zb%Qc", "/c/abc");
	check(&known, "/c/end%", "/c/end");
	check(&known, "%", "/srv/web/");
}

TEST(a_name_is_no_path)
{
	struct core_facts facts = known;

	facts.host = "a/b";
	check(&facts, "/c/%h", "/c/a!b");
	facts.host = "..";
	check(&facts, "/c/%h", "/c/!.");
	facts.host = ".";
	check(&facts, "/c/%h", "/c/!");
	facts.host = "";
	check(&facts, "/c/%h", "/c/!");
	facts.host = ".hidden";
	check(&facts, "/c/%h", "/c/.hidden");
}

TEST(the_pid_is_added_unless_it_is_there)
{
	struct core_facts facts = known;

	facts.uses_pid = true;
	check(&facts, "core", "/srv/web/core.4711");
	check(&facts, "core.%p", "/srv/web/core.4711");
	check(&facts, "core.%P", "/srv/web/core.94711.4711");
	check(&facts, "core%%p", "/srv/web/core%p.4711");
}

TEST(what_only_the_process_knew_is_a_pattern)
{
	check(&little, "/c/core.%e.%p", "/c/core.*.4711");
	check(&little, "/c/%P.%u.%g.%t.%c.%f.%E", "/c/*.*.*.*.*.*.*");
	check(&known, "/c/%i.%I.%d.%C", "/c/*.*.*.*");
	check(&little, "/c/core.%p.%s", "/c/core.4711.6");
}

TEST(what_glob_would_act_on_is_kept_as_it_is)
{
	struct core_facts facts = little;

	facts.directory = "/srv/[a]*\\?";
	check(&facts, "x*", "/srv/\\[a]\\*\\\\\\?/x\\*");
	check(&facts, "x*.%e", "/srv/\\[a]\\*\\\\\\?/x\\*.*");
}

TEST(a_program_or_a_socket_gets_it)
{
	check(&known, "|/usr/lib/systemd/systemd-coredump %P %u\n",
	      "|/usr/lib/systemd/systemd-coredump");
	check(&known, "|/bin/x\n", "|/bin/x");
	check(&known, "@/run/core.socket", "@/run/core.socket");
	check(&known, "@@/run/core.socket", "@/run/core.socket");
	check(&known, "", "");
	check(&known, "\n", "");
}

TAP_MAIN()
