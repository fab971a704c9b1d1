/* links: broker/config/conf broker/config/conf_check broker/config/conf_read */
/* links: broker/config/option broker/config/option_table broker/config/option_list */
/* links: broker/config/option_word broker/config/health_probe broker/base/address */
/* links: broker/base/words broker/base/units broker/base/strbuf */
/* links: broker/base/paths */
#include "config/conf_read.h"
#include "tap.h"

#include <errno.h>

static void add_section(const struct conf_section *section, struct strbuf *out)
{
	if (section->line)
		strbuf_addf(out, "%u [%s]\n", section->line, section->name);
	for (size_t i = 0; i < section->n; i++) {
		const struct option_setting *s = &section->settings[i];

		strbuf_addf(out, "%u %s|%s\n", s->origin.line, s->option->key, s->text);
	}
}

/* Each on a line of its own: "LINE [section]", "LINE key|value"; then the "f:LINE: message"s. */
static const char *read_all(const char *text, size_t len)
{
	static char shown[4096];
	static struct conf_errors errors;
	struct conf_sections sections;
	struct strbuf out;

	strbuf_init(&out, shown, sizeof(shown));
	errors = (struct conf_errors){ 0 };
	CHECK_EQ(conf_read(text, len, &errors, &sections), 0);
	for (size_t i = 0; i < sections.n; i++)
		add_section(&sections.of[i], &out);
	conf_errors_print(&errors, "f", &out);
	conf_sections_free(&sections);
	return shown;
}

TEST(lines_become_settings)
{
	static const struct {
		const char *text, *items;
	} cases[] = {
		{ "", "" },
		{ "\n\n# a\n  ; b\n", "" },
		{ "[broker]\nlog = c", "1 [broker]\n2 log|c\n" },
		{ "\xef\xbb\xbf[broker]\r\nlog=c\r\n", "1 [broker]\n2 log|c\n" },
		{ "  [ defaults ]  # x\n\t queue\t=\t c d \t\n", "1 [defaults]\n2 queue|c d\n" },
		{ "[service:web]\n", "1 [service:web]\n" },
		{ "[broker]\nlog = b = c # d", "1 [broker]\n2 log|b = c # d\n" },
		{ "[defaults]\nqueue =\nenvironment=\t",
		  "1 [defaults]\n2 queue|\n3 environment|\n" },
		{ "[broker]\nlog",
		  "1 [broker]\nf:2: \"log\" is neither [section] nor key = value" },
		{ "[broker]\n= a\nlog = c",
		  "1 [broker]\n3 log|c\nf:2: \"= a\" is neither [section] nor key = value" },
		{ "[broker\nlog = c", "f:1: \"[broker\" has no closing bracket: write [section]" },
		{ "[broker] b\nx = y", "f:1: nothing may follow [section], but there is \"b\"" },
		{ "[broker]\nlog = \x1b[2J",
		  "1 [broker]\nf:2: the line holds a control character" },
		{ "[broker]\nlog = b\rc = d",
		  "1 [broker]\nf:2: the line holds a control character" },
		{ "[broker]\nlog = gr\xc3\xbc\xc3\x9f", "1 [broker]\n2 log|gr\xc3\xbc\xc3\x9f\n" },
		{ "[defaults]\nqueue = gr\xfc\xdf\nuser = c",
		  "1 [defaults]\n3 user|c\nf:2: the line is not valid UTF-8" },
		/* What comes before it is still there, and what comes after a bad header is not. */
		{ "[broker]\nlog = a\n[x:y:z]\nlog = b\n[defaults]\nuser = c",
		  "1 [broker]\n2 log|a\n5 [defaults]\n6 user|c\nf:3: unknown section \"x:y:z\"; "
		  "allowed: [broker], [defaults], [service:NAME]" },
		{ "log = a\nx\nlog = b",
		  "f:1: a key before the first section; begin with [service:NAME]\n"
		  "f:2: \"x\" is neither [section] nor key = value" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(read_all(cases[i].text, strlen(cases[i].text)), cases[i].items);
}

TEST(a_NUL_byte_is_no_text)
{
	CHECK_STR(read_all("[broker]\nlog = b\0c\nuser = e", 27),
		  "1 [broker]\n3 user|e\nf:2: the line holds a NUL byte: this is not a text file");
}

TEST(a_line_has_a_longest)
{
	const size_t longest = 65536;
	char *text = malloc(longest + 2);

	memset(text, '#', longest + 2);
	CHECK_STR(read_all(text, longest), "");
	CHECK_STR(read_all(text, longest + 1), "f:1: the line is longer than 65536 bytes");
	free(text);
}

TEST(a_name_that_is_too_long_is_none)
{
	STRBUF(text, 512);

	strbuf_add(&text, "[broker]\n");
	for (int i = 0; i < 200; i++)
		strbuf_add(&text, "x");
	strbuf_add(&text, " = 1\n");
	CHECK_CONTAINS(read_all(text.text, text.len), "xxx...\" in [broker]");
}

TAP_MAIN()
