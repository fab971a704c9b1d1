/* links: worker-shim/launcher/answer */
#include "launcher/answer.h"

#include "tap.h"

static char type[16], worker[16], port[16];
static struct answer_field fields[] = {
	{ "type", type, sizeof(type) },
	{ "worker", worker, sizeof(worker) },
	{ "port", port, sizeof(port) },
};

/* A copy without a byte behind it: a reader that goes too far is seen by the sanitizer. */
static bool take(const char *line)
{
	size_t n = strlen(line);
	char *copy = malloc(n ? n : 1);
	bool good;

	memcpy(copy, line, n);
	good = answer_read(copy, n, fields, 3);
	free(copy);
	return good;
}

TEST(what_is_asked_for_is_found_and_the_rest_is_passed_over)
{
	CHECK(take("{\"type\":\"join\",\"new\":[1,{\"type\":\"x\"},null,\"]\"],\"port\":3000,"
		   "\"worker\":\"web.guest.1\"}"));
	CHECK_STR(type, "join");
	CHECK_STR(worker, "web.guest.1");
	CHECK_STR(port, "3000");
}

TEST(absent_null_and_structured_values_are_empty)
{
	CHECK(take(" { \"type\" : null , \"worker\" : {\"a\":[]} } "));
	CHECK_STR(type, "");
	CHECK_STR(worker, "");
	CHECK_STR(port, "");
	CHECK(take("{}"));
	CHECK_STR(type, "");
}

TEST(strings_are_decoded)
{
	CHECK(take(
		"{\"type\":\"a\\\"\\\\\\/\\n\\t\",\"worker\":\"\\u00e4\\u20ac\\ud83d\\ude00\"}"));
	CHECK_STR(type, "a\"\\/\n\t");
	CHECK_STR(worker, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(numbers_and_booleans_are_taken_as_they_stand)
{
	CHECK(take("{\"type\":true,\"worker\":-0.5e+10,\"port\":false}"));
	CHECK_STR(type, "true");
	CHECK_STR(worker, "-0.5e+10");
	CHECK_STR(port, "false");
}

TEST(the_last_of_two_is_taken_alone)
{
	CHECK(take("{\"type\":\"first\",\"type\":\"2\"}"));
	CHECK_STR(type, "2");
}

TEST(a_value_that_does_not_fit_or_cannot_be_text_is_refused)
{
	CHECK(take("{\"type\":\"123456789012345\"}"));
	CHECK(!take("{\"type\":\"1234567890123456\"}"));
	CHECK(!take("{\"type\":\"a\\u0000b\"}"));
	/* ... but not where nobody asks. */
	CHECK(take("{\"other\":\"12345678901234567\\u0000\"}"));
}

TEST(a_key_that_is_too_long_is_none_of_ours)
{
	char line[200] = "{\"type";

	memset(line + strlen(line), 'x', 100);
	strcat(line, "\":\"a\"}");
	CHECK(take(line));
	CHECK_STR(type, "");
}

TEST(what_is_no_object_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"[]",
		"null",
		"\"type\"",
		"{}x",
		"{\"type\"}",
		"{\"type\":}",
		"{\"type\":1,}",
		"{\"type\" 1}",
		"{type:1}",
		"{\"type\":'a'}",
		"{\"type\":\"a}",
		"{\"type\":\"a\\x\"}",
		"{\"type\":\"a\nb\"}",
		"{\"type\":\"\\u12\"}",
		"{\"type\":\"\\ud800\"}",
		"{\"type\":\"\\ud800\\u0041\"}",
		"{\"type\":\"\\udc00\"}",
		"{\"type\":01}",
		"{\"type\":.5}",
		"{\"type\":1.}",
		"{\"type\":1e}",
		"{\"type\":-}",
		"{\"type\":+1}",
		"{\"type\":tru}",
		"{\"type\":nul",
		"{\"a\":[1,]}",
		"{\"a\":[1}",
		"{\"a\":{\"b\"}}",
		"{\"a\":{]}",
		"{\"type\":\"\\",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (take(bad[i]))
			tap_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
}

TEST(depth_is_bounded)
{
	char line[2000] = "{\"a\":";

	for (int i = 0; i < 900; i++)
		strcat(line, "[");
	CHECK(!take(line));
	CHECK(take("{\"a\":[[[[[[[[[[]]]]]]]]]]}"));
}

/* Every cut of a good line, and bytes turned at random: no crash, and a cut is never good. */
TEST(a_damaged_line_does_no_harm)
{
	static const char good[] =
		"{\"type\":\"jo\\u00e4in\",\"n\":[1.5e3,{\"x\":true}],\"port\":3000}";
	unsigned long long seed = tap_seed();

	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		char line[sizeof(good)] = "";

		memcpy(line, good, n);
		CHECK(!take(line));
	}
	for (int i = 0; i < 20000; i++) {
		char line[sizeof(good)];

		strcpy(line, good);
		for (int k = 0; k < 3; k++)
			line[tap_random(&seed, sizeof(good) - 1)] =
				(char)(1 + tap_random(&seed, 255));
		(void)take(line);
	}
}

TAP_MAIN()
