/* links: broker/base/json broker/base/strbuf */
#include "base/json.h"
#include "tap.h"

#include <errno.h>

static struct json_doc doc;
static char text[70000];

static int read_text(const char *json)
{
	/* Exactly as long as the text, so that a sanitizer sees a read beyond it. */
	size_t len = strlen(json);

	CHECK(len < sizeof(text));
	memcpy(text, json, len + 1);
	return json_doc_read(text, len, &doc);
}

static const struct json_value *root(void)
{
	return &doc.value[0];
}

TEST(members_of_every_kind_are_found)
{
	const struct json_value *v;

	CHECK_EQ(read_text(
			 " { \"s\" : \"web\" , \"n\":-12,\"t\":true,\"f\":false,\"z\":null,"
			 "\"a\":[1,\"two\",[3]],\"o\":{\"in\":{\"x\":7}},\"e\":{},\"ea\":[]} \r\n"),
		 0);
	CHECK_STR(json_doc_text(root(), "s"), "web");
	CHECK_EQ(json_doc_number(root(), "n"), -12);
	CHECK(json_doc_truth(root(), "t"));
	CHECK(!json_doc_truth(root(), "f"));
	CHECK(!json_doc_member(root(), "z"));
	v = json_doc_member(json_doc_member(root(), "o"), "in");
	CHECK_EQ(json_doc_number(v, "x"), 7);
	v = json_doc_first(json_doc_member(root(), "a"));
	CHECK_EQ(v->integer, 1);
	v = json_doc_next(v);
	CHECK_STR(v->text, "two");
	v = json_doc_next(v);
	CHECK_EQ(json_doc_first(v)->integer, 3);
	CHECK(!json_doc_next(v));
	CHECK(!json_doc_first(json_doc_member(root(), "e")));
	CHECK(!json_doc_first(json_doc_member(root(), "ea")));
}

TEST(what_is_absent_or_of_another_kind_is_not_there)
{
	CHECK_EQ(read_text("{\"s\":\"1\",\"n\":1,\"d\":1.5,\"n\":2}"), 0);
	CHECK_STR(json_doc_text(root(), "n"), "");
	CHECK_STR(json_doc_text(root(), "x"), "");
	CHECK_STR(json_doc_text(NULL, "x"), "");
	CHECK(!json_doc_member(json_doc_member(root(), "s"), "x"));
	CHECK_EQ(json_doc_number(root(), "s"), -1);
	CHECK_EQ(json_doc_number(root(), "d"), -1);
	CHECK_EQ(json_doc_number(root(), "n"), 1);
	CHECK(!json_doc_truth(root(), "n"));
}

TEST(strings_are_unescaped)
{
	CHECK_EQ(read_text("{\"a\\u0062\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u001b\\u00e9\\u20ac"
			   "\\ud83d\\uDE00 \xc3\xa9\"}"),
		 0);
	CHECK_STR(json_doc_text(root(), "ab"), "\"\\/\b\f\n\r\t\x1b\xc3\xa9\xe2\x82\xac"
					       "\xf0\x9f\x98\x80 \xc3\xa9");
}

TEST(numbers_keep_their_value_or_are_no_integers)
{
	static const struct {
		const char *json;
		bool is_integer;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "123456789012345678901234567890", false, 0 },
		{ "1.0", false, 0 },
		{ "1e3", false, 0 },
		{ "-1.25E-3", false, 0 },
	};
	char json[80];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct json_value *v;

		snprintf(json, sizeof(json), "{\"n\":%s}", cases[i].json);
		CHECK_EQ(read_text(json), 0);
		v = json_doc_member(root(), "n");
		CHECK_EQ(v->kind, JSON_NUMBER);
		CHECK_EQ(v->is_integer, cases[i].is_integer);
		CHECK_EQ(v->len, strlen(cases[i].json));
		if (v->is_integer)
			CHECK_EQ(v->integer, cases[i].value);
	}
}

TEST(what_is_not_json_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"null",
		"[]",
		"\"x\"",
		"{",
		"}",
		"{]",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,\"a\":1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1}}",
		"{\"a\":1} x",
		"{\"a\":[1,]}",
		"{\"a\":[,1]}",
		"{\"a\":[1 2]}",
		"{\"a\":[1}",
		"{\"a\":{\"b\":1]}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":tru}",
		"{\"a\":truex}",
		"{\"a\":nul",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":+1}",
		"{\"a\":.5}",
		"{\"a\":1.}",
		"{\"a\":1e}",
		"{\"a\":0x10}",
		"{\"a\":NaN}",
		"{\"a\":\"}",
		"{\"a\":\"\\",
		"{\"a\":\"\\x41\"}",
		"{\"a\":\"\\u12\"}",
		"{\"a\":\"\\u12G4\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\ud800\\u0041\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":\"tab\there\"}",
		"{\"a\":\"\x1b[2J\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xc3\"}",
		"{\"a\":\"\xc0\xaf\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xc2\x9b\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (read_text(bad[i]) != -EINVAL)
			tap_fail(__FILE__, __LINE__, "%s was read", bad[i]);
}

TEST(a_nul_is_no_end_of_the_text)
{
	char raw[] = "{\"a\":1}\0{}";

	CHECK_EQ(json_doc_read(raw, sizeof(raw) - 1, &doc), -EINVAL);
	memcpy(raw, "{\"a\":\"\0\"}", 9);
	CHECK_EQ(json_doc_read(raw, 9, &doc), -EINVAL);
}

TEST(values_and_levels_are_bounded)
{
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "{\"a\":[0");
	for (unsigned i = 3; i < JSON_DOC_VALUES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",0");
	memcpy(text + n, "]}", 3);
	CHECK_EQ(json_doc_read(text, n + 2, &doc), 0);
	memcpy(text, "{\"a\"", 4); /* it was unescaped in place */
	memcpy(text + n, ",0]}", 5);
	CHECK_EQ(json_doc_read(text, n + 4, &doc), -E2BIG);

	CHECK_EQ(read_text("{\"a\":[[[[[]]]]]}"), 0);
	CHECK_EQ(read_text("{\"a\":[[[[[[]]]]]]}"), -E2BIG);
}

/* Whatever the bytes are, reading ends, and what it gives points into the text. */
TEST(random_bytes_are_read_or_refused)
{
	static const char *const parts[] = { "{",    "}",	"[",	"]",	",",	  ":",
					     "\"",   "\\",	"1",	"-",	"\"a\":", "true",
					     "null", "\\u00e9", "\xc3", "\xa9", " ",	  "\"b\"" };
	unsigned long long seed = tap_seed();

	for (int round = 0; round < 20000; round++) {
		char json[128] = "{";

		for (unsigned i = tap_random(&seed, 12); i > 0; i--)
			strcat(json, parts[tap_random(&seed, ARRAY_SIZE(parts))]);
		if (tap_random(&seed, 2))
			strcat(json, "}");
		if (read_text(json) != 0)
			continue;
		for (unsigned i = 0; i < doc.n; i++) {
			CHECK(!doc.value[i].text || (doc.value[i].text > text &&
						     doc.value[i].text < text + strlen(json)));
			CHECK(i + doc.value[i].next < doc.n && i + doc.value[i].first < doc.n);
		}
	}
}

TAP_MAIN()
