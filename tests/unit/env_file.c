/* links: broker/base/words broker/base/strbuf broker/base/units */
#include "base/words.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

/* The entries of @text with "|" behind each, or what is wrong. */
static const char *parsed(const char *text)
{
	static char storage[512];
	struct strbuf out;
	STRBUF(error, 256);
	char **list = NULL;
	int r;

	strbuf_init(&out, storage, sizeof(storage));
	r = env_file_parse("/x.env", text, strlen(text), &list, &error);
	for (char **entry = list; r == 0 && entry && *entry; entry++)
		strbuf_addf(&out, "%s|", *entry);
	if (r < 0) {
		CHECK_EQ(r, -EINVAL);
		strbuf_add(&out, error.text);
	}
	strlist_free(list);
	return out.text;
}

TEST(lines_of_variables)
{
	CHECK_STR(parsed(""), "");
	CHECK_STR(parsed("A=1\nB=two\n"), "A=1|B=two|");
	CHECK_STR(parsed("# c\n; c\n\n  A=1"), "A=1|");
	CHECK_STR(parsed("A=\nB=x=y\r\n"), "A=|B=x=y|");
	CHECK_STR(parsed("A= 1 2 \t\nB=a#b"), "A=1 2|B=a#b|");
	CHECK_STR(parsed("A=$HOME/`x`"), "A=$HOME/`x`|");
}

TEST(quotes_and_escapes)
{
	CHECK_STR(parsed("A=\" a b \"\nB=' $x \" \\ '"), "A= a b |B= $x \" \\ |");
	CHECK_STR(parsed("A=\"a\\\"b\\\\c\\n\""), "A=a\"b\\c\\n|");
	CHECK_STR(parsed("A=\"one\ntwo\"\nB=1"), "A=one\ntwo|B=1|");
	CHECK_STR(parsed("A=one\\\ntwo\nB=a\\ b"), "A=onetwo|B=a b|");
	CHECK_STR(parsed("A='x'y\"z\""), "A=xyz|");
}

TEST(what_is_wrong_is_said_with_its_line)
{
	CHECK_STR(parsed("A=1\nexport B=2"), "/x.env:2: a line that is not NAME=value");
	CHECK_STR(parsed("\n\n1A=1"), "/x.env:3: a line that is not NAME=value");
	CHECK_STR(parsed("A"), "/x.env:1: a line that is not NAME=value");
	CHECK_STR(parsed("=x"), "/x.env:1: a line that is not NAME=value");
	CHECK_STR(parsed("A=1\nB=\"x\ny\n"), "/x.env:2: a quote is not closed");
	CHECK_STR(parsed("BROKER_SLOT=1"),
		  "/x.env:1: sets a name that belongs to the broker (BROKER_...)");
}

TEST(a_file_that_is_no_text)
{
	STRBUF(error, 256);
	char **list = NULL;

	CHECK_EQ(env_file_parse("/x.env", "A=\0", 3, &list, &error), -EINVAL);
	CHECK_STR(error.text, "/x.env: is not a text");
	strlist_free(list);
}

TAP_MAIN()
