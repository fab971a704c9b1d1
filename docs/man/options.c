/*
 * options - writes broker.ini(5): `options < broker.ini.5.in > broker.ini.5`.
 *
 * The page is copied, and each `.It Ic KEY` of its two chapters of options gets the values, the
 * default and the time of effect that the table of options has. Fails unless each option of the
 * table stands there once, and no other.
 */
#include "config/option.h"

#include <stdio.h>

static int fail(const char *what, const char *key)
{
	fprintf(stderr, "broker.ini.5.in: %s: %s\n", key, what);
	return EXIT_FAILURE;
}

static void print_facts(const struct option *opt)
{
	STRBUF(allowed, 512);

	option_add_allowed(opt, &allowed);
	/* "A ..." ends a sentence as it is. */
	printf("Value: %s%s Default: %s. Takes effect: %s.\n.Pp\n", allowed.text,
	       allowed.text[allowed.len - 1] == '.' ? "" : ".",
	       opt->fallback ? opt->fallback : "none", option_apply_names[opt->apply]);
}

int main(void)
{
	bool seen[256] = { false }, in_options = false;
	enum option_section section = OPTION_BROKER;
	char line[1024], key[64];

	assert(option_count <= ARRAY_SIZE(seen));
	while (fgets(line, sizeof(line), stdin)) {
		const struct option *opt;

		fputs(line, stdout);
		if (!strncmp(line, ".Sh ", 4)) {
			in_options = strstr(line, " OPTIONS\n");
			section = strstr(line, "BROKER") ? OPTION_BROKER : OPTION_SERVICE;
		}
		if (!in_options || sscanf(line, ".It Ic %63[a-z0-9_]", key) != 1)
			continue;
		opt = option_find(section, key);
		if (!opt)
			return fail("there is no such option", key);
		if (seen[opt - option_table])
			return fail("it stands here twice", key);
		if (opt->type->numbered != (strstr(line, ".N\n") != NULL))
			return fail("only a numbered option is called KEY.N", key);
		seen[opt - option_table] = true;
		print_facts(opt);
	}
	for (size_t i = 0; i < option_count; i++)
		if (!seen[i])
			return fail("the option is missing", option_table[i].key);
	return fclose(stdout) == 0 ? EXIT_SUCCESS : fail("cannot be written", "stdout");
}
