#include "lines.h"

#include <stdlib.h>
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

static void free_part(struct lines *l)
{
	free(l->part);
	l->part = NULL;
	l->n = 0;
}

void lines_feed(struct lines *l, const char *bytes, size_t n, lines_fn *out, void *arg)
{
	if (!l->part)
		l->part = malloc(LINES_MAX);
	while (n && l->part) {
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
	if (!l->n)
		free_part(l);
}

void lines_finish(struct lines *l, lines_fn *out, void *arg)
{
	if (l->n)
		emit(l, true, out, arg);
	free_part(l);
}

void lines_deinit(struct lines *l)
{
	free(l->part);
	free(l->tail);
	*l = (struct lines){ 0 };
}
