/* links: worker-shim/launcher/script */
#include "launcher/script.h"
#include "tap.h"

static bool parse(const char *text, struct script *ret)
{
	return script_parse(text, strlen(text), ret);
}

TEST(the_first_line_is_read_as_the_kernel_does)
{
	static const struct {
		const char *text, *interpreter, *argument;
	} cases[] = {
		{ "#!/bin/sh\n", "/bin/sh", "" },
		{ "#!/bin/sh", "/bin/sh", "" },
		{ "#! \t/bin/sh -e \t\nrest", "/bin/sh", "-e" },
		{ "#!/usr/bin/perl -w -T\n", "/usr/bin/perl", "-w -T" },
		{ "#!/usr/bin/env node\r\n", "/usr/bin/env", "node\r" },
	};
	struct script s;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK(parse(cases[i].text, &s));
		CHECK_STR(s.interpreter, cases[i].interpreter);
		CHECK_STR(s.argument, cases[i].argument);
	}
	CHECK(!parse("", &s));
	CHECK(!parse("#!", &s));
	CHECK(!parse("#!\n", &s));
	CHECK(!parse("#!   \n/bin/sh", &s));
	CHECK(!parse("# !/bin/sh\n", &s));
	CHECK(script_parse("#!/bin/sh\0x\n", 12, &s));
	CHECK_STR(s.interpreter, "/bin/sh");
}

TEST(a_line_beyond_the_kernels_limit_is_cut_but_a_cut_interpreter_is_none)
{
	char text[600];
	struct script s;

	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/bin/sh ", 10);
	CHECK(script_parse(text, sizeof(text), &s));
	CHECK_EQ(strlen(s.argument), SCRIPT_LINE - 10);
	text[9] = 'x';
	CHECK(!script_parse(text, sizeof(text), &s));
}

TEST(env_names_the_program_that_it_will_look_for)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "#!/usr/bin/env node\n", "node" },
		{ "#!/bin/env node --flag\n", "node --flag" },
		{ "#!/usr/bin/env -S node --flag\n", "node" },
		{ "#!/usr/bin/env -Snode --flag\n", "node" },
		{ "#!/usr/bin/env -S A=1 B=2 python3 -u\n", "python3" },
		{ "#!/usr/bin/env -S -i -u HOME perl\n", "perl" },
		{ "#!/usr/bin/env -SA=1 perl\n", "perl" },
		{ "#!/usr/bin/env\n", NULL },
		{ "#!/usr/bin/env -S\n", NULL },
		{ "#!/bin/sh node\n", NULL },
		{ "#!/opt/myenv node\n", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[SCRIPT_LINE];
		struct script s;

		CHECK(parse(cases[i].text, &s));
		CHECK_EQ(script_env_name(&s, name), cases[i].name != NULL);
		if (cases[i].name)
			CHECK_STR(name, cases[i].name);
	}
}

TEST(random_lines_are_survived)
{
	static const char alphabet[] = "#!/ \t\nenvS-=x";
	unsigned long long state = tap_seed();

	for (int i = 0; i < 20000; i++) {
		size_t len = tap_random(&state, 300);
		char *text = malloc(len + 1), name[SCRIPT_LINE];
		struct script s;

		for (size_t j = 0; j < len; j++)
			text[j] = alphabet[tap_random(&state, sizeof(alphabet))];
		if (len > 15)
			memcpy(text, "#!/usr/bin/env ", 15);
		if (script_parse(text, len, &s))
			(void)script_env_name(&s, name);
		free(text);
	}
}

TAP_MAIN()
