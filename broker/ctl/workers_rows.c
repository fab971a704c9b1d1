#include "workers_rows.h"

#include <string.h>

double workers_rate(int64_t now, int64_t before, int64_t ms)
{
	if (now < 0 || before < 0 || now < before || ms <= 0)
		return -1;
	return (double)(now - before) * MSEC_PER_SEC / (double)ms;
}

/*
 * The same process in the answer before. Both answers have the same order, apart from workers that
 * came or went, so the search starts where the last one was found.
 */
static const struct view_worker *find_before(const struct view *before, const struct view_worker *w,
					     size_t *from)
{
	for (size_t i = 0; before && i < before->n_workers; i++) {
		size_t at = (*from + i) % before->n_workers;
		const struct view_worker *b = &before->workers[at];

		if (b->pid == w->pid && b->generation == w->generation &&
		    strcmp(b->name, w->name) == 0) {
			*from = at + 1;
			return b;
		}
	}
	return NULL;
}

static double key_of(const struct workers_row *row, enum workers_sort sort)
{
	switch (sort) {
	case SORT_BY_RATE:
		return row->given_rate;
	case SORT_BY_CPU:
		return row->cpu_percent;
	case SORT_BY_OPEN:
		return (double)row->worker->open;
	case SORT_BY_SLOT:
	case WORKERS_SORTS:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct workers_row *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

struct workers_row *workers_rows_make(const struct view *now, const struct view *before, int64_t ms,
				      enum workers_sort sort)
{
	size_t n = now->n_workers, from = 0;
	struct workers_row *rows = calloc(n + 1, sizeof(*rows));
	double highest = 0;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct view_worker *w = &now->workers[i];
		const struct view_worker *b = find_before(before, w, &from);

		rows[i] = (struct workers_row){
			.worker = w,
			.at = i,
			.given_rate = b ? workers_rate(w->given, b->given, ms) : -1,
			/* Milliseconds of processor time a second are tenths of a percent. */
			.cpu_percent = b ? workers_rate(w->cpu_ms, b->cpu_ms, ms) / 10 : -1,
		};
		rows[i].key = key_of(&rows[i], sort);
		if (rows[i].given_rate > highest)
			highest = rows[i].given_rate;
	}
	for (size_t i = 0; i < n; i++)
		if (rows[i].given_rate > 0)
			rows[i].bar =
				(unsigned)(rows[i].given_rate / highest * WORKERS_BAR_COLUMNS +
					   0.5);
	if (n > 0)
		qsort(rows, n, sizeof(*rows), compare);
	return rows;
}
