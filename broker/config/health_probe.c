#include "health_probe.h"

#include <stdio.h>

/* 0 with the bytes in @out, or -EINVAL. */
static int unescape(const char *text, char *out, size_t *ret_n, struct strbuf *why)
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
		} else if (*p == 'x' && strspn(p + 1, "0123456789abcdefABCDEF") >= 2) {
			out[n++] = (char)strtol((const char[]){ p[1], p[2], '\0' }, NULL, 16);
			p += 2;
		} else {
			return strbuf_refuse(why, text,
					     "has a \\ that is not \\r \\n \\t \\0 \\\\ or \\xNN");
		}
	}
	*ret_n = n;
	return 0;
}

/* What goes into a request as it is. */
static bool is_plain(const char *text)
{
	return !text[strcspn(text, " \t\r\n")] && strlen(text) <= HEALTH_TEXT_MAX;
}

int health_parse(char *const *word, struct health_probe *ret, struct strbuf *why)
{
	size_t n = 0;
	int r = 0;

	while (word[n])
		n++;
	*ret = (struct health_probe){ 0 };
	if (n > 1 && !strcmp(word[0], "command")) {
		ret->kind = HEALTH_COMMAND;
		ret->command = word + 1;
		return 0;
	}
	if (n == 1 && !strcmp(word[0], "connect"))
		return 0;
	if ((n == 2 || n == 3) && !strcmp(word[0], "GET")) {
		const char *path = word[1], *host = n == 3 ? word[2] : "localhost";

		if (*path != '/' || !is_plain(path) || !is_plain(host))
			return strbuf_refuse(why, path, "is not a path, as in GET /healthz");
		ret->kind = HEALTH_HTTP;
		ret->n_send = (size_t)
			snprintf(ret->send, sizeof(ret->send),
				 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: broker-check\r\n"
				 "Accept: */*\r\nConnection: close\r\n\r\n",
				 path, host);
		return 0;
	}
	if (n == 4 && !strcmp(word[0], "send")) {
		r = unescape(word[1], ret->send, &ret->n_send, why);
		word += 2;
		n -= 2;
	}
	if (n != 2 || strcmp(word[0], "expect") != 0 || !*word[1])
		return strbuf_fail(why, -EINVAL,
				   "a check is: connect, GET /PATH [HOST], [send \"BYTES\"] expect "
				   "\"BYTES\", or command PROGRAM ARGUMENTS");
	ret->kind = HEALTH_TALK;
	return r < 0 ? r : unescape(word[1], ret->expect, &ret->n_expect, why);
}
