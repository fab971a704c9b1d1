#include "lines.h"

#include <string.h>

#define ROOM_STEP 128

static bool make_room(struct lines *l, size_t n)
{
	size_t room = (l->n_tail + n + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
	char *tail = room > l->room ? realloc(l->tail, room) : l->tail;

	if (!tail)
		return false;
	l->room = room > l->room ? room : l->room;
	l->tail = tail;
	return true;
}

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
	if (!make_room(l, n + 1))
		return;
	memcpy(l->tail + l->n_tail, line, n);
	l->n_tail += n;
	l->tail[l->n_tail++] = '\n';
}

/* Gives out the @n bytes: a piece of a long line, or the @end of one. There is no part then. */
static void emit(struct lines *l, const char *bytes, size_t n, bool end, lines_fn *out, void *arg)
{
	char line[LINES_MAX];

	if (end && n && bytes[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++)
		line[i] = bytes[i] ? bytes[i] : ' ';
	l->n = 0;
	keep(l, line, n);
	if (out)
		out(arg, line, n);
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
		if (nl && !full && !l->n) {
			emit(l, bytes, part, true, out, arg);
		} else {
			if (!l->part)
				l->part = malloc(LINES_MAX);
			if (!l->part)
				return;
			memcpy(l->part + l->n, bytes, part);
			l->n += part;
			if (full || nl)
				emit(l, l->part, l->n, !full, out, arg);
		}
		part += nl && !full;
		bytes += part;
		n -= part;
	}
}

void lines_finish(struct lines *l, lines_fn *out, void *arg)
{
	if (l->n)
		emit(l, l->part, l->n, true, out, arg);
}

void lines_deinit(struct lines *l)
{
	free(l->part);
	free(l->tail);
	*l = (struct lines){ 0 };
}
