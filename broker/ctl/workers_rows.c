#include "workers_rows.h"

#include <string.h>

double workers_rate(int64_t now, int64_t before, int64_t ms)
{
	if (now < 0 || before < 0 || now < before || ms <= 0)
		return -1;
	return (double)(now - before) * MSEC_PER_SEC / (double)ms;
}

static bool is_same_process(const struct json_value *a, const struct json_value *b)
{
	return json_doc_number(a, "pid") == json_doc_number(b, "pid") &&
	       json_doc_number(a, "generation") == json_doc_number(b, "generation") &&
	       strcmp(json_doc_text(a, "worker"), json_doc_text(b, "worker")) == 0;
}

/*
 * The same process in the answer before. Both answers have the same order, apart from workers that
 * came or went, so the search starts where the last one was found.
 */
static const struct json_value *find_before(const struct view *before, const struct json_value *w,
					    size_t *from)
{
	for (size_t i = 0; before && i < before->n_rows; i++) {
		size_t at = (*from + i) % before->n_rows;
		const struct view_row *row = &before->rows[at];

		if (row->type != VIEW_WORKER || !is_same_process(row->object, w))
			continue;
		*from = at + 1;
		return row->object;
	}
	return NULL;
}

/* By how much @key has grown a second. */
static double rate_of(const struct json_value *now, const struct json_value *before,
		      const char *key, int64_t ms)
{
	return workers_rate(json_doc_number(now, key), json_doc_number(before, key), ms);
}

static double key_of(const struct workers_row *row, enum workers_sort sort)
{
	switch (sort) {
	case SORT_BY_RATE:
		return row->given_rate;
	case SORT_BY_CPU:
		return row->cpu_percent;
	case SORT_BY_OPEN:
		return (double)json_doc_number(row->worker, "open");
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
				      enum workers_sort sort, size_t *ret_n)
{
	size_t n = view_count(now, NULL, VIEW_WORKER), from = 0;
	struct workers_row *rows = calloc(n + 1, sizeof(*rows));
	const struct view_row *line = NULL;
	double highest = 0;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct json_value *w, *b;

		line = view_next(now, NULL, VIEW_WORKER, line);
		w = line->object;
		/* May be absent: its counts are -1 then, and no rate is known. */
		b = find_before(before, w, &from);
		rows[i] = (struct workers_row){
			.worker = w,
			.at = i,
			.given_rate = rate_of(w, b, "given", ms),
			/* Milliseconds of processor time a second are tenths of a percent. */
			.cpu_percent = rate_of(w, b, "cpu_ms", ms) / 10,
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
	qsort(rows, n, sizeof(*rows), compare);
	*ret_n = n;
	return rows;
}
