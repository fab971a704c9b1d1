/* links: broker/config/ini broker/base/strbuf */
#include "config/ini.h"
#include "tap.h"

/* Every item on a line of its own: "LINE [section]", "LINE key|value", "LINE! message". */
static const char *read_all(const char *text, size_t len)
{
	static char shown[4096];
	struct strbuf out;
	struct ini ini;

	strbuf_init(&out, shown, sizeof(shown));
	ini_init(&ini, text, len);
	for (;;) {
		struct ini_item item;
		STRBUF(error, 256);
		enum ini_kind kind = ini_next(&ini, &item, &error);

		switch (kind) {
		case INI_END:
			return shown;
		case INI_SECTION:
			strbuf_addf(&out, "%u [%s]\n", ini.line, item.name);
			break;
		case INI_SETTING:
			strbuf_addf(&out, "%u %s|%.*s\n", ini.line, item.name, (int)item.value_len,
				    item.value);
			break;
		case INI_BAD:
			strbuf_addf(&out, "%u! %s\n", ini.line, error.text);
			break;
		case INI_BAD_SECTION:
			strbuf_addf(&out, "%u!! %s\n", ini.line, error.text);
			break;
		}
	}
}

TEST(lines_become_items)
{
	static const struct {
		const char *text, *items;
	} cases[] = {
		{ "", "" },
		{ "\n\n# a\n  ; b\n", "" },
		{ "[a]\nb = c", "1 [a]\n2 b|c\n" },
		{ "\xef\xbb\xbf[a]\r\nb=c\r\n", "1 [a]\n2 b|c\n" },
		{ "  [ a ]  # x\n\t b\t=\t c d \t\n", "1 [a]\n2 b|c d\n" },
		{ "[service:web]\n", "1 [service:web]\n" },
		{ "a = b = c # d", "1 a|b = c # d\n" },
		{ "a =\nb=\t", "1 a|\n2 b|\n" },
		{ "a", "1! \"a\" is neither [section] nor key = value\n" },
		{ "= a\nb = c", "1! \"= a\" is neither [section] nor key = value\n2 b|c\n" },
		{ "[a\nb = c", "1!! \"[a\" has no closing bracket: write [section]\n2 b|c\n" },
		{ "[a] b", "1!! nothing may follow [section], but there is \"b\"\n" },
		{ "a = \x1b[2J", "1! the line holds a control character\n" },
		{ "a = b\rc = d", "1! the line holds a control character\n" },
		{ "a = gr\xc3\xbc\xc3\x9f", "1 a|gr\xc3\xbc\xc3\x9f\n" },
		{ "\na = gr\xfc\xdf\nb = c", "2! the line is not valid UTF-8\n3 b|c\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(read_all(cases[i].text, strlen(cases[i].text)), cases[i].items);
}

TEST(a_NUL_byte_is_no_text)
{
	CHECK_STR(read_all("a = b\0c\nd = e", 13),
		  "1! the line holds a NUL byte: this is not a text file\n2 d|e\n");
}

TEST(a_line_has_a_longest)
{
	char *text = malloc(INI_LINE_MAX + 2);

	memset(text, '#', INI_LINE_MAX + 2);
	CHECK_STR(read_all(text, INI_LINE_MAX), "");
	CHECK_STR(read_all(text, INI_LINE_MAX + 1), "1! the line is longer than 65536 bytes\n");
	free(text);
}

TAP_MAIN()
