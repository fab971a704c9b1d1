#include "lines.h"

static void keep(struct lines *l, const char *line, size_t n)
{
	size_t max = LINES_TAIL / 2; /* so that a long line leaves the one before it */

	while (l->tail.len && l->tail.len + (n < max ? n : max) + 1 > LINES_TAIL)
		strbuf_consume(&l->tail, strcspn(l->tail.text, "\n") + 1);
	l->tail.max = LINES_TAIL;
	l->tail.cut = false; /* there may be memory now */
	strbuf_addf(&l->tail, "%.*s\n", (int)(n < max ? n : max), line);
}

/* Gives out the @n bytes: a piece of a long line, or the @end of one. There is no part then. */
static void emit(struct lines *l, const char *bytes, size_t n, bool end, lines_fn *out, void *arg)
{
	char line[LINES_MAX];

	if (end && n && bytes[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++)
		line[i] = bytes[i] ? bytes[i] : ' ';
	l->part.len = 0;
	keep(l, line, n);
	if (out)
		out(arg, line, n);
}

void lines_feed(struct lines *l, const char *bytes, size_t n, lines_fn *out, void *arg)
{
	while (n) {
		const char *nl = memchr(bytes, '\n', n);
		size_t part = nl ? (size_t)(nl - bytes) : n;
		size_t room = LINES_MAX - l->part.len;
		bool full = part > room; /* only then: the line may end right behind the buffer */

		if (full)
			part = room;
		if (nl && !full && !l->part.len) {
			emit(l, bytes, part, true, out, arg);
		} else {
			l->part.max = LINES_MAX;
			l->part.cut = false;
			strbuf_add_bytes(&l->part, bytes, part);
			if (full || nl)
				emit(l, l->part.text, l->part.len, !full, out, arg);
		}
		part += nl && !full;
		bytes += part;
		n -= part;
	}
}

void lines_finish(struct lines *l, lines_fn *out, void *arg)
{
	if (l->part.len)
		emit(l, l->part.text, l->part.len, true, out, arg);
}

void lines_deinit(struct lines *l)
{
	strbuf_deinit(&l->part);
	strbuf_deinit(&l->tail);
}
