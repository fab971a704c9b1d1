/* links: broker/policy/health broker/config/health_probe broker/base/strbuf broker/base/words */
#include "base/words.h"
#include "policy/health.h"
#include "tap.h"

#include <errno.h>

static const struct health_status usual = { 200, 399 };

/* As in a file: split into words, then read. */
static int parse(const char *text, struct health_probe *ret, struct strbuf *why)
{
	_cleanup_words_ struct words words = { 0 };
	int r = words_split(WORDS_VALUE, text, strlen(text), &words, why);

	return r < 0 ? r : health_parse(words.word, ret, why);
}

static struct health_probe parsed(const char *text)
{
	struct health_probe p;
	STRBUF(why, 256);

	CHECK_EQ(parse(text, &p, &why), 0);
	CHECK_STR(why.text, "");
	return p;
}

static void check_refused(const char *text, const char *says)
{
	struct health_probe p;
	STRBUF(why, 512);

	CHECK_EQ(parse(text, &p, &why), -EINVAL);
	CHECK(strstr(why.text, says));
}

#define CHECK_FORMAT(p, text_)                                                                     \
	do {                                                                                       \
		STRBUF(out_, 1024);                                                                \
		health_format(&(p), &out_);                                                        \
		CHECK_STR(out_.text, text_);                                                       \
	} while (0)

static enum health_verdict judge(const struct health_probe *p, const char *bytes, bool ended,
				 const char *says)
{
	STRBUF(why, 256);
	enum health_verdict v = health_judge(p, usual, bytes, strlen(bytes), ended, &why);

	CHECK_STR(why.text, says);
	return v;
}

TEST(what_is_read_is_written_the_same)
{
	struct health_probe p = parsed("connect");

	CHECK_EQ(p.kind, HEALTH_CONNECT);
	CHECK_FORMAT(p, "connect");
	p = parsed("GET /healthz?full=1");
	CHECK_EQ(p.kind, HEALTH_HTTP);
	CHECK_FORMAT(p, "GET /healthz?full=1");
	p = parsed("send \"PING\\r\\n\" expect \"\\x2bPONG\"");
	CHECK_EQ(p.kind, HEALTH_TALK);
	CHECK_EQ(p.n_send, 6);
	CHECK_EQ(p.n_expect, 5);
	CHECK_EQ(memcmp(p.send, "PING\r\n", 6), 0);
	CHECK_EQ(memcmp(p.expect, "+PONG", 5), 0);
	CHECK_FORMAT(p, "send 'PING\\r\\n' expect +PONG");
	p = parsed("send \"\" expect \"\\0\\xff\\\\\\\\\"");
	CHECK_EQ(p.n_send, 0);
	CHECK_EQ(p.n_expect, 3);
	CHECK_FORMAT(p, "send '' expect '\\0\\xff\\\\'");
}

TEST(what_is_no_check_is_refused_with_a_reason)
{
	char big[HEALTH_TEXT_MAX + 32];

	check_refused("ping", "a check is");
	check_refused("connect twice", "a check is");
	check_refused("send x want y", "a check is");
	check_refused("GET healthz", "is no path");
	check_refused("GET '/a b'", "is no path");
	check_refused("send '\\q' expect y", "has a \\ before");
	check_refused("send '\\x1' expect y", "has a \\ before");
	check_refused("send 'x\\' expect y", "has a \\ before");
	check_refused("send x expect ''", "nothing is expected");
	snprintf(big, sizeof(big), "send %0*d expect y", HEALTH_TEXT_MAX, 0);
	(void)parsed(big);
	snprintf(big, sizeof(big), "send %0*d expect y", HEALTH_TEXT_MAX + 1, 0);
	check_refused(big, "at most 256 bytes");
	snprintf(big, sizeof(big), "GET /%0*d", HEALTH_TEXT_MAX, 0);
	check_refused(big, "is no path");
}

TEST(a_request_ends_the_connection)
{
	struct health_probe p = parsed("GET /up");
	STRBUF(out, 256);

	health_request(&p, "127.0.0.1", &out);
	CHECK_STR(out.text, "GET /up HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: broker-check\r\n"
			    "Connection: close\r\n\r\n");
}

TEST(the_status_line_decides)
{
	struct health_probe p = parsed("GET /");

	CHECK_EQ(judge(&p, "", false, ""), HEALTH_MORE);
	CHECK_EQ(judge(&p, "HTTP/1.1 20", false, ""), HEALTH_MORE);
	CHECK_EQ(judge(&p, "HTTP/1.1 200", false, ""), HEALTH_PASSED);
	CHECK_EQ(judge(&p, "HTTP/1.0 399 x\r\n", true, ""), HEALTH_PASSED);
	CHECK_EQ(judge(&p, "HTTP/1.1 400", false, "it answered with status 400"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "HTTP/1.1 199", false, "it answered with status 199"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "SSH-", false, "the answer is not HTTP"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "HTTP/1.1 2x0", false, "the answer is not HTTP"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "", true, "it closed without an answer"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "HTTP/1", true, "the answer ended too early"), HEALTH_FAILED);
}

TEST(the_first_bytes_decide)
{
	struct health_probe p = parsed("send PING expect +PONG");

	CHECK_EQ(judge(&p, "+PO", false, ""), HEALTH_MORE);
	CHECK_EQ(judge(&p, "+PONG\r\n", false, ""), HEALTH_PASSED);
	CHECK_EQ(judge(&p, "+PX", false, "it answered something else than expected"),
		 HEALTH_FAILED);
	CHECK_EQ(judge(&p, "+P", true, "the answer ended too early"), HEALTH_FAILED);
	CHECK_EQ(judge(&p, "", true, "it closed without an answer"), HEALTH_FAILED);
}

TEST(rise_and_fall_are_told_once)
{
	struct health h = { 0 };

	CHECK_EQ(health_count(&h, true, 2, 3), HEALTH_MORE);
	CHECK_EQ(health_count(&h, true, 2, 3), HEALTH_PASSED);
	CHECK_EQ(health_count(&h, true, 2, 3), HEALTH_MORE);
	CHECK_EQ(health_count(&h, false, 2, 3), HEALTH_MORE);
	CHECK_EQ(health_count(&h, false, 2, 3), HEALTH_MORE);
	CHECK_EQ(health_count(&h, true, 2, 3), HEALTH_MORE); /* one good answer between */
	for (unsigned i = 0; i < 2; i++)
		CHECK_EQ(health_count(&h, false, 2, 3), HEALTH_MORE);
	CHECK_EQ(health_count(&h, false, 2, 3), HEALTH_FAILED);
	CHECK_EQ(health_count(&h, false, 2, 3), HEALTH_MORE);
}

TAP_MAIN()
