#include "buf.h"

#include <stdio.h>
#include <string.h>

#define FIRST_ROOM 1024

void buf_deinit(struct buf *b)
{
	free(b->bytes);
	*b = (struct buf){ .max = b->max };
}

static bool reserve(struct buf *b, size_t n)
{
	size_t room = b->room ? b->room : FIRST_ROOM;
	char *bytes = NULL;

	if (!b->failed && n <= b->max - b->len) {
		if (b->len + n <= b->room)
			return true;
		while (room < b->len + n)
			room *= 2;
		bytes = realloc(b->bytes, room);
	}
	if (!bytes) {
		b->failed = true;
		return false;
	}
	b->bytes = bytes;
	b->room = room;
	return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0 || !reserve(b, n))
		return;
	memcpy(b->bytes + b->len, bytes, n);
	b->len += n;
}

void buf_add_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		b->failed = true;
	} else {
		buf_add(b, text, (size_t)n);
	}
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len -= n;
	if (b->len == 0 && !b->failed) {
		buf_deinit(b);
		return;
	}
	memmove(b->bytes, b->bytes + n, b->len);
}
