/* links: broker/policy/health broker/config/health_probe */
/* links: broker/base/strbuf */
#include <string.h>
#include "policy/health.h"
#include "tap.h"

static struct health_probe parsed;
static char why_text[256], *parsed_words[6];

static int parse(const char **words)
{
	struct strbuf why;

	strbuf_init(&why, why_text, sizeof(why_text));
	memcpy(parsed_words, words, sizeof(parsed_words));
	return health_parse(parsed_words, &parsed, &why);
}

#define PARSE(...) parse((const char *[6]){ __VA_ARGS__ })

static enum health_verdict judge(const char *bytes, size_t n, bool ended)
{
	static const struct conf_port_range expected[] = { { 200, 299 }, { 404, 404 } };
	struct strbuf why;

	strbuf_init(&why, why_text, sizeof(why_text));
	return health_judge(&parsed, expected, 2, bytes, n, ended, &why);
}

static enum health_verdict judge_text(const char *text, bool ended)
{
	return judge(text, strlen(text), ended);
}

TEST(each_kind_is_read)
{
	CHECK_EQ(PARSE("connect"), 0);
	CHECK_EQ(parsed.kind, HEALTH_CONNECT);
	CHECK_EQ(PARSE("GET", "/healthz", "www.example.com"), 0);
	CHECK_EQ(parsed.kind, HEALTH_HTTP);
	CHECK(strstr(parsed.send, "\r\nHost: www.example.com\r\n"));
	CHECK_EQ(PARSE("expect", "220"), 0);
	CHECK_EQ(parsed.kind, HEALTH_TALK);
	CHECK_EQ(parsed.n_send, 0u);
	CHECK_EQ(PARSE("command", "true", "-x"), 0);
	CHECK_STR(parsed.command[1], "-x");
}

TEST(bytes_are_read_with_their_escapes)
{
	CHECK_EQ(PARSE("send", "a\\r\\n\\t\\0\\\\\\xFf", "expect", "\\x2b"), 0);
	CHECK_EQ(parsed.n_send, 7u);
	CHECK(!memcmp(parsed.send, "a\r\n\t\0\\\xff", 7));
	CHECK_EQ(parsed.n_expect, 1u);
	CHECK_EQ(parsed.expect[0], '+');
}

TEST(what_is_no_check_is_refused_in_words)
{
	char long_text[HEALTH_TEXT_MAX + 2] = "";

	CHECK(PARSE("ping") < 0);
	CHECK(strstr(why_text, "a check is: connect, GET"));
	CHECK(PARSE("connect", "80") < 0);
	CHECK(PARSE("command") < 0);
	CHECK(PARSE("send", "x") < 0);
	CHECK(PARSE("send", "\\q", "expect", "x") < 0);
	CHECK(strstr(why_text, "has a \\ that is not"));
	CHECK(PARSE("expect", "\\x4") < 0);
	CHECK(PARSE("expect", "\\") < 0);
	CHECK(PARSE("expect", "") < 0);
	CHECK(PARSE("GET", "healthz") < 0);
	CHECK(strstr(why_text, "is not a path"));
	CHECK(PARSE("GET", "/a b") < 0);
	CHECK(PARSE("GET", "/", "a\r\nb") < 0);
	memset(long_text, 'a', HEALTH_TEXT_MAX + 1);
	CHECK(PARSE("expect", long_text) < 0);
	long_text[HEALTH_TEXT_MAX] = '\0';
	CHECK_EQ(PARSE("expect", long_text), 0);
}

TEST(the_longest_request_is_whole)
{
	char path[HEALTH_TEXT_MAX + 1] = "/", host[HEALTH_TEXT_MAX + 1] = "";

	memset(path + 1, 'p', HEALTH_TEXT_MAX - 1);
	memset(host, 'h', HEALTH_TEXT_MAX);
	CHECK_EQ(PARSE("GET", path, host), 0);
	CHECK(parsed.n_send < sizeof(parsed.send));
	CHECK(!strncmp(parsed.send, "GET /ppp", 8));
	CHECK(!strcmp(parsed.send + parsed.n_send - 4, "\r\n\r\n"));
	CHECK_EQ(PARSE("send", "PING\\r\\n", "expect", "+PONG"), 0);
	CHECK_EQ(parsed.n_send, 6);
	CHECK(!memcmp(parsed.send, "PING\r\n", 6));
}

TEST(a_status_line_is_judged_as_soon_as_it_is_there)
{
	STRBUF(why, 256);

	CHECK_EQ(PARSE("GET", "/"), 0);
	CHECK_EQ(judge_text("", false), HEALTH_MORE);
	CHECK_EQ(judge_text("HTTP/1.1 20", false), HEALTH_MORE);
	CHECK_EQ(judge_text("HTTP/1.1 200", false), HEALTH_PASSED);
	CHECK_EQ(judge_text("HTTP/1.0 404 Not Found\r\n", false), HEALTH_PASSED);
	CHECK_EQ(judge_text("HTTP/1.1 503 x", false), HEALTH_FAILED);
	CHECK_STR(why_text, "it answered with status 503");
	CHECK_EQ(judge_text("HTTP/1.1 300", false), HEALTH_FAILED);
	CHECK_EQ(health_judge(&parsed, NULL, 0, "HTTP/1.1 399", 12, false, &why), HEALTH_PASSED);
	CHECK_EQ(health_judge(&parsed, NULL, 0, "HTTP/1.1 400", 12, false, &why), HEALTH_FAILED);
	CHECK_EQ(judge_text("S", false), HEALTH_FAILED);
	CHECK_STR(why_text, "its answer is not HTTP");
	CHECK_EQ(judge_text("HTTP/2.0", false), HEALTH_FAILED);
	CHECK_EQ(judge_text("", true), HEALTH_FAILED);
	CHECK_STR(why_text, "it closed without an answer");
	CHECK_EQ(judge_text("HTTP/1.1 20", true), HEALTH_FAILED);
	CHECK_STR(why_text, "its answer ended too early");
}

TEST(an_answer_begins_with_what_is_expected)
{
	CHECK_EQ(PARSE("expect", "+PO\\0"), 0);
	CHECK_EQ(judge("+P", 2, false), HEALTH_MORE);
	CHECK_EQ(judge("+PO\0rest", 8, false), HEALTH_PASSED);
	CHECK_EQ(judge("-ERR\r\n", 6, false), HEALTH_FAILED);
	CHECK(strstr(why_text, "it answered \"-ERR"));
	CHECK_EQ(judge("+P", 2, true), HEALTH_FAILED);
}

TEST(results_in_a_row_make_a_worker_well_or_ill)
{
	struct health h = { 0 };

	CHECK(health_is_in_doubt(&h));
	CHECK(!health_count(&h, true, 2, 3));
	CHECK(health_count(&h, true, 2, 3));
	CHECK_EQ(h.state, HEALTH_WELL);
	CHECK(!health_is_in_doubt(&h));
	CHECK(!health_count(&h, false, 2, 3));
	CHECK(!health_count(&h, false, 2, 3));
	CHECK(health_is_in_doubt(&h));
	CHECK(!health_count(&h, true, 2, 3));
	CHECK(!health_count(&h, false, 2, 3));
	CHECK(!health_count(&h, false, 2, 3));
	CHECK(health_count(&h, false, 2, 3));
	CHECK_EQ(h.state, HEALTH_ILL);
	CHECK(!health_is_in_doubt(&h));
	CHECK(!health_count(&h, false, 2, 3));
	CHECK(!health_count(&h, true, 2, 3));
	CHECK(health_is_in_doubt(&h));
	CHECK(health_count(&h, true, 2, 3));
}

TAP_MAIN()
