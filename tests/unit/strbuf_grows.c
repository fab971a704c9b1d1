/* links: broker/base/strbuf broker/base/json */
#include "base/json.h"
#include "tap.h"

#include <string.h>

static void check_text(struct strbuf *b, const char *want)
{
	strbuf_add_bytes(b, "", 1);
	CHECK_STR(b->text, want);
	strbuf_deinit(b);
}

TEST(text_grows_and_keeps_what_it_has)
{
	struct strbuf b = STRBUF_GROWS(1 << 20);
	char big[5000];

	memset(big, 'x', sizeof(big));
	strbuf_add(&b, "begin ");
	strbuf_add_bytes(&b, big, sizeof(big));
	strbuf_addf(&b, " %d %.*s end", 42, (int)sizeof(big), big);
	CHECK(!b.cut);
	CHECK_EQ(b.len, 6 + 5000 + 4 + 5000 + 4);
	CHECK(!memcmp(b.text, "begin xx", 8));
	CHECK(!memcmp(b.text + b.len - 5, "x end", 5));
	strbuf_deinit(&b);
}

TEST(text_never_passes_its_bound_and_remembers_that_it_would_have)
{
	struct strbuf b = STRBUF_GROWS(10);

	strbuf_add(&b, "12345678");
	CHECK(!b.cut);
	strbuf_add(&b, "123");
	CHECK(b.cut);
	CHECK_EQ(b.len, 8);
	/* A whole answer or none: what would fit again must not make a hole. */
	strbuf_add(&b, "9");
	CHECK_EQ(b.len, 8);
	strbuf_deinit(&b);
	CHECK(!b.cut);
}

TEST(what_was_written_is_forgotten_and_the_rest_stays_in_order)
{
	struct strbuf b = STRBUF_GROWS(100);

	strbuf_add(&b, "one two");
	strbuf_consume(&b, 4);
	CHECK_EQ(b.len, 3);
	CHECK(!memcmp(b.text, "two", 3));
	strbuf_consume(&b, 3);
	CHECK(b.text == NULL);
	CHECK_EQ(b.size, 0);
}

TEST(json_has_its_commas_where_they_belong)
{
	struct strbuf b = STRBUF_GROWS(1000);

	json_begin(&b, "worker");
	json_int(&b, "pid", -1);
	json_uint(&b, "big", 18446744073709551615ull);
	json_str(&b, "open", NULL);
	json_object(&b, "ledger");
	json_int(&b, "accepted", 9);
	json_bool(&b, "balanced", true);
	json_close(&b);
	json_array(&b, "pids");
	json_int(&b, NULL, 1);
	json_int(&b, NULL, 2);
	json_str(&b, NULL, "x\xe2\x80\xae");
	json_close_array(&b);
	json_object(&b, "empty");
	json_close(&b);
	json_str(&b, "last", NULL);
	json_end(&b);
	check_text(&b, "{\"type\":\"worker\",\"pid\":-1,\"big\":18446744073709551615,"
		       "\"open\":null,\"ledger\":{\"accepted\":9,\"balanced\":true},"
		       "\"pids\":[1,2,\"x\\u202e\"],\"empty\":{},\"last\":null}\n");
}

TEST(json_text_is_escaped_whatever_it_is)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ "plain", 5, "\"plain\"" },
		{ "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
		{ "line\nnext\t.", 11, "\"line\\nnext\\t.\"" },
		{ "\x1b[2J", 4, "\"\\u001b[2J\"" },
		{ "gr\xc3\xbcn", 5, "\"gr\xc3\xbcn\"" },
		{ "\xff\x9b", 2, "\"\\u00ff\\u009b\"" },
		{ "\xc2\x9b", 2, "\"\\u00c2\\u009b\"" }, /* C1 */
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "\x7f", 1, "\"\\u007f\"" },
		{ "", 0, "\"\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct strbuf b = STRBUF_GROWS(1000);

		json_bytes(&b, NULL, cases[i].in, cases[i].len);
		check_text(&b, cases[i].out);
	}
}

TAP_MAIN()
