#include "health.h"

static enum health_verdict fail(struct strbuf *why, const char *text)
{
	strbuf_add(why, text);
	return HEALTH_FAILED;
}

static enum health_verdict too_short(size_t n, bool ended, struct strbuf *why)
{
	if (!ended)
		return HEALTH_MORE;
	return fail(why, n ? "its answer ended too early" : "it closed without an answer");
}

/* "HTTP/1.1 200": RFC 9112, section 4. */
static enum health_verdict judge_http(const struct conf_port_range *expected, size_t n_expected,
				      const char *bytes, size_t n, bool ended, struct strbuf *why)
{
	static const struct conf_port_range usual = { 200, 399 };
	static const char form[] = "HTTP/1.d ddd";
	size_t len = sizeof(form) - 1;
	unsigned status = 0;

	for (size_t i = 0; i < n && i < len; i++) {
		bool is_digit = bytes[i] >= '0' && bytes[i] <= '9';

		if (form[i] == 'd' ? !is_digit : bytes[i] != form[i])
			return fail(why, "its answer is not HTTP");
	}
	if (n < len)
		return too_short(n, ended, why);
	for (size_t i = len - 3; i < len; i++)
		status = 10 * status + (unsigned)(bytes[i] - '0');
	if (n_expected == 0) {
		expected = &usual;
		n_expected = 1;
	}
	if (conf_in_ranges(expected, n_expected, status))
		return HEALTH_PASSED;
	strbuf_addf(why, "it answered with status %u", status);
	return HEALTH_FAILED;
}

static enum health_verdict judge_talk(const struct health_probe *p, const char *bytes, size_t n,
				      bool ended, struct strbuf *why)
{
	if (memcmp(bytes, p->expect, n < p->n_expect ? n : p->n_expect) != 0) {
		strbuf_addf(why, "it answered %s", strbuf_quote_bytes(bytes, n).text);
		return HEALTH_FAILED;
	}
	return n >= p->n_expect ? HEALTH_PASSED : too_short(n, ended, why);
}

enum health_verdict health_judge(const struct health_probe *p,
				 const struct conf_port_range *expected, size_t n_expected,
				 const char *bytes, size_t n, bool ended, struct strbuf *why)
{
	switch (p->kind) {
	case HEALTH_HTTP:
		return judge_http(expected, n_expected, bytes, n, ended, why);
	case HEALTH_TALK:
		return judge_talk(p, bytes, n, ended, why);
	case HEALTH_CONNECT:
	case HEALTH_COMMAND:
		break;
	}
	return HEALTH_PASSED;
}

bool health_count(struct health *h, bool passed, unsigned rise, unsigned fall)
{
	enum health_state was = h->state;

	h->passed = passed ? h->passed + 1 : 0;
	h->failed = passed ? 0 : h->failed + 1;
	if (h->passed >= rise)
		h->state = HEALTH_WELL;
	else if (h->failed >= fall)
		h->state = HEALTH_ILL;
	return h->state != was;
}
