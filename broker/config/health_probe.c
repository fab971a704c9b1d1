#include "health_probe.h"

#include <errno.h>
#include <string.h>
#include "base/words.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes \r \n \t \0 \\ \xNN. The number of bytes, or -EINVAL. */
static int unescape(const char *text, char *out, struct strbuf *why)
{
	static const char from[] = "rnt0\\", to[] = "\r\n\t\0\\";
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		const char *known;

		if (n == HEALTH_TEXT_MAX)
			return strbuf_fail(why, -EINVAL, "at most %d bytes can be sent or expected",
					   HEALTH_TEXT_MAX);
		if (*p != '\\') {
			out[n++] = *p;
			continue;
		}
		p++;
		known = *p ? strchr(from, *p) : NULL;
		if (known) {
			out[n++] = to[known - from];
		} else if (*p == 'x' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
			out[n++] = (char)(hex(p[1]) << 4 | hex(p[2]));
			p += 2;
		} else {
			return strbuf_fail(why, -EINVAL,
					   "\"%s\" has a \\ before something else than "
					   "r, n, t, 0, \\ or xNN",
					   text);
		}
	}
	return (int)n;
}

static size_t count(char *const *word)
{
	size_t n = 0;

	while (word[n])
		n++;
	return n;
}

static int parse_http(const char *path, struct health_probe *ret, struct strbuf *why)
{
	if (path[0] != '/' || strlen(path) >= sizeof(ret->send) || strpbrk(path, " \t\r\n"))
		return strbuf_fail(why, -EINVAL,
				   "\"%s\" is no path: it begins with / and has no blank", path);
	ret->kind = HEALTH_HTTP;
	ret->n_send = strlen(path);
	memcpy(ret->send, path, ret->n_send);
	return 0;
}

static int parse_talk(char *const *word, struct health_probe *ret, struct strbuf *why)
{
	int sent = unescape(word[1], ret->send, why);
	int expected = sent < 0 ? sent : unescape(word[3], ret->expect, why);

	if (expected < 0)
		return expected;
	if (expected == 0)
		return strbuf_fail(why, -EINVAL, "nothing is expected: use connect");
	ret->kind = HEALTH_TALK;
	ret->n_send = (size_t)sent;
	ret->n_expect = (size_t)expected;
	return 0;
}

int health_parse(char *const *word, struct health_probe *ret, struct strbuf *why)
{
	size_t n = count(word);

	*ret = (struct health_probe){ 0 };
	if (n == 1 && !strcmp(word[0], "connect")) {
		ret->kind = HEALTH_CONNECT;
		return 0;
	}
	if (n == 2 && !strcmp(word[0], "GET"))
		return parse_http(word[1], ret, why);
	if (n == 4 && !strcmp(word[0], "send") && !strcmp(word[2], "expect"))
		return parse_talk(word, ret, why);
	return strbuf_fail(why, -EINVAL,
			   "a check is: connect, GET /PATH, or send \"BYTES\" expect \"BYTES\"");
}

static void add_escaped(struct strbuf *out, const char *bytes, size_t n)
{
	static const char from[] = "\r\n\t\0\\", to[] = "rnt0\\";

	for (size_t i = 0; i < n; i++) {
		const char *known = memchr(from, bytes[i], sizeof(from) - 1);

		if (known)
			strbuf_addf(out, "\\%c", to[known - from]);
		else if (bytes[i] < ' ' || bytes[i] > '~')
			strbuf_addf(out, "\\x%02x", (unsigned char)bytes[i]);
		else
			strbuf_addf(out, "%c", bytes[i]);
	}
}

void health_format(const struct health_probe *p, struct strbuf *out)
{
	char text[4 * HEALTH_TEXT_MAX + 1];
	struct strbuf word;

	switch (p->kind) {
	case HEALTH_OFF:
		return;
	case HEALTH_CONNECT:
		strbuf_add(out, "connect");
		return;
	case HEALTH_HTTP:
		strbuf_add(out, "GET ");
		words_add_quoted(out, p->send);
		return;
	case HEALTH_TALK:
		strbuf_init(&word, text, sizeof(text));
		add_escaped(&word, p->send, p->n_send);
		strbuf_add(out, "send ");
		words_add_quoted(out, text);
		strbuf_init(&word, text, sizeof(text));
		add_escaped(&word, p->expect, p->n_expect);
		strbuf_add(out, " expect ");
		words_add_quoted(out, text);
		return;
	}
}
