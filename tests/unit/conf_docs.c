/* links: broker/base/address broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/base/words broker/config/option broker/config/option_table */
/* links: broker/config/option_list broker/config/health_probe broker/config/option_word */
/* links: broker/base/units broker/base/strbuf broker/base/paths */
#include "conf_util.h"

#include "config/option.h"

#include <glob.h>

/* The documents as they are in the source tree, which is where tests are started. */
#define MANUAL	 "docs/man/broker.ini.5.in"
#define EXAMPLES "docs/examples/*.ini"

/* The whole file, to be freed. */
static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, CONF_FILE_MAX + 1);

	if (!file)
		tap_fail(__FILE__, __LINE__, "cannot open %s", path);
	CHECK(text);
	CHECK(fread(text, 1, CONF_FILE_MAX, file) > 0);
	CHECK(feof(file));
	fclose(file);
	return text;
}

/* From the line "begin" to the next section of the page; @page is cut up. */
static char *section_of(char *page, const char *begin)
{
	char *start = strstr(page, begin), *end;

	CHECK(start);
	start += strlen(begin);
	end = strstr(start, "\n.Sh ");
	CHECK(end);
	return strndup(start, (size_t)(end - start));
}

/* The text between .Bd and .Ed of the page, as a reader sees it. */
static size_t check_manual_examples(const char *examples)
{
	const char *at = examples;
	size_t n = 0;

	while ((at = strstr(at, "\n.Bd -literal -offset indent\n"))) {
		const char *end = strstr(at, "\n.Ed");
		char *text;

		CHECK(end);
		at = strchr(at + 1, '\n') + 1;
		text = strndup(at, (size_t)(end - at));
		conf_free(conf_good(text));
		free(text);
		n++;
	}
	return n;
}

TEST(every_example_of_the_manual_page_is_a_good_file)
{
	char *page = read_file(MANUAL), *part = section_of(page, "\n.Sh EXAMPLES");

	CHECK_EQ(check_manual_examples(part), 4);
	free(part);
	part = section_of(page, "\n.Sh DESCRIPTION");
	CHECK_EQ(check_manual_examples(part), 1);
	free(part);
	free(page);
}

TEST(every_example_file_is_good)
{
	glob_t found;

	CHECK_EQ(glob(EXAMPLES, 0, NULL, &found), 0);
	CHECK(found.gl_pathc >= 2);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *text = read_file(found.gl_pathv[i]);

		conf_free(conf_good(text));
		free(text);
	}
	globfree(&found);
}

TEST(the_full_example_names_every_option)
{
	char *text = read_file("docs/examples/full.ini");

	for (size_t i = 0; i < option_count; i++) {
		STRBUF(set, 64);
		STRBUF(commented, 64);

		const char *number = option_table[i].type->numbered ? ".0" : "";

		strbuf_addf(&set, "\n%s%s = ", option_table[i].key, number);
		strbuf_addf(&commented, "\n#%s%s = ", option_table[i].key, number);
		if (!strstr(text, commented.text))
			CHECK_CONTAINS(text, set.text);
	}
	free(text);
}

TAP_MAIN()
