#include "health.h"

#include <string.h>

void health_request(const struct health_probe *p, const char *host, struct strbuf *out)
{
	switch (p->kind) {
	case HEALTH_OFF:
	case HEALTH_CONNECT:
		return;
	case HEALTH_HTTP:
		strbuf_addf(out,
			    "GET %.*s HTTP/1.1\r\nHost: %s\r\nUser-Agent: broker-check\r\n"
			    "Connection: close\r\n\r\n",
			    (int)p->n_send, p->send, host);
		return;
	case HEALTH_TALK:
		strbuf_add_bytes(out, p->send, p->n_send);
		return;
	}
}

/* "HTTP/1.1 200": RFC 9112, section 4. */
#define STATUS_LINE_MIN 12
#define STATUS_AT	9

static bool begins_like_http(const char *bytes, size_t n)
{
	static const char form[STATUS_LINE_MIN + 1] = "HTTP/1.d ddd";

	for (size_t i = 0; i < n && i < STATUS_LINE_MIN; i++)
		if (form[i] == 'd' ? bytes[i] < '0' || bytes[i] > '9' : bytes[i] != form[i])
			return false;
	return true;
}

static enum health_verdict too_short(size_t n, bool ended, struct strbuf *why)
{
	if (!ended)
		return HEALTH_MORE;
	strbuf_add(why, n ? "the answer ended too early" : "it closed without an answer");
	return HEALTH_FAILED;
}

static enum health_verdict judge_http(struct health_status expected, const char *bytes, size_t n,
				      bool ended, struct strbuf *why)
{
	unsigned status = 0;

	if (!begins_like_http(bytes, n)) {
		strbuf_add(why, "the answer is not HTTP");
		return HEALTH_FAILED;
	}
	if (n < STATUS_LINE_MIN)
		return too_short(n, ended, why);
	for (size_t i = STATUS_AT; i < STATUS_LINE_MIN; i++)
		status = 10 * status + (unsigned)(bytes[i] - '0');
	if (status >= expected.min && status <= expected.max)
		return HEALTH_PASSED;
	strbuf_addf(why, "it answered with status %u", status);
	return HEALTH_FAILED;
}

static enum health_verdict judge_talk(const struct health_probe *p, const char *bytes, size_t n,
				      bool ended, struct strbuf *why)
{
	size_t known = n < p->n_expect ? n : p->n_expect;

	if (memcmp(bytes, p->expect, known) != 0) {
		strbuf_add(why, "it answered something else than expected");
		return HEALTH_FAILED;
	}
	if (n >= p->n_expect)
		return HEALTH_PASSED;
	return too_short(n, ended, why);
}

enum health_verdict health_judge(const struct health_probe *p, struct health_status expected,
				 const char *bytes, size_t n, bool ended, struct strbuf *why)
{
	switch (p->kind) {
	case HEALTH_OFF:
	case HEALTH_CONNECT:
		return HEALTH_PASSED;
	case HEALTH_HTTP:
		return judge_http(expected, bytes, n, ended, why);
	case HEALTH_TALK:
		return judge_talk(p, bytes, n, ended, why);
	}
	return HEALTH_FAILED;
}

enum health_verdict health_count(struct health *h, bool passed, unsigned rise, unsigned fall)
{
	h->passed = passed ? h->passed + 1 : 0;
	h->failed = passed ? 0 : h->failed + 1;
	if (h->passed == rise)
		return HEALTH_PASSED;
	return h->failed == fall ? HEALTH_FAILED : HEALTH_MORE;
}
