#include "lines.h"

#include <string.h>

static void keep(struct lines *l, const char *line, size_t n)
{
	size_t max = LINES_TAIL / 2; /* so that a long line leaves the one before it */

	if (n > max)
		n = max;
	while (l->n_tail && l->n_tail + n + 1 > LINES_TAIL) {
		const char *nl = memchr(l->tail, '\n', l->n_tail);
		size_t first = (size_t)(nl - l->tail) + 1;

		memmove(l->tail, l->tail + first, l->n_tail - first);
		l->n_tail -= first;
	}
	memcpy(l->tail + l->n_tail, line, n);
	l->n_tail += n;
	l->tail[l->n_tail++] = '\n';
}

/* Gives out what is there: a piece of a long line, or the @end of one. */
static void emit(struct lines *l, bool end, lines_fn *out, void *arg)
{
	size_t n = l->n;

	if (end && n && l->part[n - 1] == '\r')
		n--;
	l->n = 0;
	for (size_t i = 0; i < n; i++)
		if (!l->part[i])
			l->part[i] = ' ';
	keep(l, l->part, n);
	if (out)
		out(arg, l->part, n);
}

void lines_feed(struct lines *l, const char *bytes, size_t n, lines_fn *out, void *arg)
{
	while (n) {
		const char *nl = memchr(bytes, '\n', n);
		size_t part = nl ? (size_t)(nl - bytes) : n;
		size_t room = LINES_MAX - l->n;
		bool full = part > room; /* only then: the line may end right behind the buffer */

		if (full)
			part = room;
		memcpy(l->part + l->n, bytes, part);
		l->n += part;
		bytes += part;
		n -= part;
		if (full) {
			emit(l, false, out, arg);
		} else if (nl) {
			bytes++;
			n--;
			emit(l, true, out, arg);
		}
	}
}

void lines_finish(struct lines *l, lines_fn *out, void *arg)
{
	if (l->n)
		emit(l, true, out, arg);
}
