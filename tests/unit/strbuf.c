/* links: broker/base/strbuf */
#include "base/strbuf.h"
#include "tap.h"

#include <errno.h>

TEST(text_that_does_not_fit_is_cut_terminated_and_remembered)
{
	STRBUF(b, 8);

	strbuf_addf(&b, "%s", "abc");
	CHECK(!b.cut);
	strbuf_addf(&b, "-%d", 12345);
	CHECK_STR(b.text, "abc-123");
	CHECK_EQ(b.len, 7);
	CHECK(b.cut);
	strbuf_add(&b, "x");
	CHECK_STR(b.text, "abc-123");
}

TEST(a_failure_says_what_its_error_means_and_returns_it)
{
	STRBUF(b, 80);

	errno = EIO;
	CHECK_EQ(strbuf_fail(&b, -ENOENT, "cannot read %s: %m; set it", "x"), -ENOENT);
	CHECK_STR(b.text, "cannot read x: No such file or directory; set it");
}

TEST(what_could_steer_a_terminal_is_escaped)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "plain", 5, "plain" },
		{ "a\nb", 3, "a\\x0ab" },
		{ "\x1b[2J", 4, "\\x1b[2J" },
		{ "gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f" },
		{ "\xc2\x9b"
		  "2J",
		  4, "\\xc2\\x9b2J" },			  /* C1: the one-byte CSI */
		{ "\xc0\xaf", 2, "\\xc0\\xaf" },	  /* overlong */
		{ "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" }, /* surrogate */
		{ "\xe2\x82", 2, "\\xe2\\x82" },	  /* cut short */
		{ "\t\x7f\0z", 4, "\\t\\x7f\\x00z" },
		/* The order of what follows: RIGHT-TO-LEFT OVERRIDE and its like; two lines. */
		{ "\xe2\x80\xaetxt", 6, "\\xe2\\x80\\xaetxt" },
		{ "\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8" },
		{ "\xe2\x81\xa9", 3, "\\xe2\\x81\\xa9" },
		{ "\xd8\x9c", 2, "\\xd8\\x9c" },
		{ "\xe2\x80\x8f", 3, "\\xe2\\x80\\x8f" },
		/* Their neighbours: the joiner of an emoji, a narrow blank, a letter. */
		{ "\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b", 8, "\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		STRBUF(b, 64);

		strbuf_add_escaped(&b, cases[i].in, cases[i].len);
		CHECK_STR(b.text, cases[i].out);
	}
}

TEST(a_utf8_sequence_is_never_cut_in_half)
{
	STRBUF(b, 4);

	strbuf_add_escaped(&b, "ab\xc3\xbc", 4);
	CHECK_STR(b.text, "ab");
	CHECK(b.cut);
}

TAP_MAIN()
