#include "strbuf.h"

#include <stdio.h>

#define FIRST_SIZE 128

uint32_t utf8_decode(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | (s[i] & 0x3f);
	return cp;
}

size_t utf8_len(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t cp;
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] < 0xc2 || s[0] > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	cp = utf8_decode(text, len);
	if ((len == 3 && cp < 0x800) || (len == 4 && (cp < 0x10000 || cp > 0x10ffff)))
		return 0;
	return (cp >= 0xd800 && cp <= 0xdfff) || cp < 0xa0 ? 0 : len;
}

bool utf8_reorders(uint32_t cp)
{
	return cp == 0x61c || cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069);
}

void strbuf_init(struct strbuf *b, char *storage, size_t size)
{
	assert(size > 0);
	*b = (struct strbuf){ .text = storage, .size = size };
	storage[0] = '\0';
}

void strbuf_deinit(struct strbuf *b)
{
	free(b->text);
	*b = STRBUF_GROWS(b->max);
}

static bool grow(struct strbuf *b, size_t n)
{
	size_t size = b->size ? b->size : FIRST_SIZE;
	char *text = b->text;

	if (b->cut || n > b->max - b->len)
		return false;
	while (size <= b->len + n)
		size *= 2;
	if (size > b->max)
		size = b->max + 1;
	if (size != b->size)
		text = realloc(b->text, size);
	if (!text)
		return false;
	b->text = text;
	b->size = size;
	return true;
}

/* How many of @n bytes more, and a terminator, there is room for. */
static size_t make_room(struct strbuf *b, size_t n)
{
	if (b->max ? grow(b, n) : n < b->size - b->len)
		return n;
	b->cut = true;
	return b->max ? 0 : b->size - 1 - b->len;
}

void strbuf_add_bytes(struct strbuf *b, const void *bytes, size_t n)
{
	n = n ? make_room(b, n) : 0;
	if (n == 0)
		return;
	memcpy(b->text + b->len, bytes, n);
	b->len += n;
	b->text[b->len] = '\0';
}

void strbuf_consume(struct strbuf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (b->len == 0 && !b->cut)
		strbuf_deinit(b);
	else if (n > 0)
		memmove(b->text, b->text + n, b->len + 1);
}

void strbuf_add(struct strbuf *b, const char *text)
{
	strbuf_add_bytes(b, text, strlen(text));
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t n;

	va_copy(again, ap);
	/* Never below 0: there is no %ls. */
	n = make_room(b, (size_t)vsnprintf(NULL, 0, fmt, again));
	va_end(again);
	if (n > 0)
		(void)vsnprintf(b->text + b->len, n + 1, fmt, ap);
	b->len += n;
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	strbuf_add_arguments(b, fmt);
}

int strbuf_fail(struct strbuf *b, int r, const char *fmt, ...)
{
	errno = -r;
	strbuf_add_arguments(b, fmt);
	return r;
}

void strbuf_add_filled(struct strbuf *b, const char *text, const char *place, const char *value)
{
	const char *at;

	for (; (at = strstr(text, place)); text = at + strlen(place)) {
		strbuf_add_bytes(b, text, (size_t)(at - text));
		strbuf_add(b, value);
	}
	strbuf_add(b, text);
}

void strbuf_add_escaped(struct strbuf *b, const char *bytes, size_t n)
{
	for (size_t i = 0, len; i < n; i += len ? len : 1) {
		len = utf8_len(bytes + i, n - i);
		if (len && utf8_reorders(utf8_decode(bytes + i, len)))
			len = 0;
		/* A sequence goes whole or not at all. */
		if (len && make_room(b, len) < len)
			return;
		if (len)
			strbuf_add_bytes(b, bytes + i, len);
		else if (bytes[i] == '\t')
			strbuf_add(b, "\\t");
		else
			strbuf_addf(b, "\\x%02x", (unsigned char)bytes[i]);
	}
}

struct strbuf_quoted strbuf_quote_bytes(const char *text, size_t n)
{
	size_t shown = n > STRBUF_QUOTED_MAX ? STRBUF_QUOTED_MAX : n;
	struct strbuf_quoted quoted = { "" };
	struct strbuf b = { .text = quoted.text, .size = sizeof(quoted.text) };

	/* Not in the middle of a UTF-8 sequence. */
	while (shown < n && shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
		shown--;
	strbuf_add(&b, "\"");
	strbuf_add_escaped(&b, text, shown);
	strbuf_add(&b, shown < n ? "...\"" : "\"");
	return quoted;
}

struct strbuf_quoted strbuf_quote(const char *text)
{
	return strbuf_quote_bytes(text, strlen(text));
}

int strbuf_refuse(struct strbuf *b, const char *text, const char *fmt, ...)
{
	strbuf_addf(b, "%s ", strbuf_quote(text).text);
	strbuf_add_arguments(b, fmt);
	return -EINVAL;
}
