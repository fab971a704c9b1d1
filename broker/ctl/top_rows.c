#include "top_rows.h"

#include <errno.h>
#include <string.h>
#include "ctl/workers_table.h"

double top_rate(int64_t now, int64_t before, int64_t ms)
{
	if (now < 0 || before < 0 || now < before || ms <= 0)
		return -1;
	return (double)(now - before) * MSEC_PER_SEC / (double)ms;
}

void top_add_rate(struct strbuf *out, double rate)
{
	if (rate < 0)
		strbuf_add(out, "-");
	else if (rate < 9.95 && rate > 0)
		strbuf_addf(out, "%.1f", rate);
	else
		text_add_count(out, (int64_t)(rate + 0.5));
}

/*
 * The same process in the answer before. Both have the same order but for those that came and
 * went, so the search goes on from where the last one was found.
 */
static const struct view_worker *find_before(const struct view *before, const struct view_worker *w,
					     size_t *from)
{
	for (size_t i = 0; i < before->n_workers; i++) {
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

static double key_of(const struct top_row *row, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_RATE:
		return row->given_rate;
	case TOP_BY_CPU:
		return row->cpu_percent;
	case TOP_BY_OPEN:
		return (double)row->worker->open;
	case TOP_BY_SLOT:
	case TOP_SORTS:
		break;
	}
	return 0;
}

/* The highest first; equal ones as the broker has them. */
static int compare(const struct top_row *a, const struct top_row *b, enum top_sort sort)
{
	double ka = key_of(a, sort), kb = key_of(b, sort);

	if (ka != kb)
		return ka > kb ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

static int compare_rate(const void *a, const void *b)
{
	return compare(a, b, TOP_BY_RATE);
}

static int compare_cpu(const void *a, const void *b)
{
	return compare(a, b, TOP_BY_CPU);
}

static int compare_open(const void *a, const void *b)
{
	return compare(a, b, TOP_BY_OPEN);
}

static void sort_rows(struct top_row *rows, size_t n, enum top_sort sort)
{
	if (n == 0)
		return;
	switch (sort) {
	case TOP_BY_RATE:
		qsort(rows, n, sizeof(*rows), compare_rate);
		break;
	case TOP_BY_CPU:
		qsort(rows, n, sizeof(*rows), compare_cpu);
		break;
	case TOP_BY_OPEN:
		qsort(rows, n, sizeof(*rows), compare_open);
		break;
	case TOP_BY_SLOT:
	case TOP_SORTS:
		break;
	}
}

int top_rows_make(const struct top *top, struct top_row **ret)
{
	size_t n = top->now->n_workers, from = 0;
	struct top_row *rows = n ? calloc(n, sizeof(*rows)) : NULL;
	double highest = 0;

	if (n && !rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct view_worker *w = &top->now->workers[i], *b = NULL;

		if (top->before)
			b = find_before(top->before, w, &from);
		rows[i] = (struct top_row){
			.worker = w,
			.at = i,
			.given_rate = b ? top_rate(w->given, b->given, top->ms) : -1,
			/* Milliseconds of processor time a second are tenths of a percent. */
			.cpu_percent = b ? top_rate(w->cpu_ms, b->cpu_ms, top->ms) / 10 : -1,
		};
		if (rows[i].given_rate > highest)
			highest = rows[i].given_rate;
	}
	for (size_t i = 0; i < n && highest > 0; i++)
		if (rows[i].given_rate > 0)
			rows[i].bar =
				(unsigned)(rows[i].given_rate / highest * TOP_BAR_COLUMNS + 0.5);
	sort_rows(rows, n, top->sort);
	*ret = rows;
	return 0;
}

static const struct top_row *at(const void *rows, size_t row)
{
	return &((const struct top_row *)rows)[row];
}

static void cell_name(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	strbuf_add(out, at(rows, row)->worker->name);
}

static void cell_pid(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	workers_cell_pid(at(rows, row)->worker, out);
}

static void cell_generation(const void *rows, size_t row, struct strbuf *out,
			    enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->worker->generation);
}

static void cell_state(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	workers_cell_state(at(rows, row)->worker, out, style);
}

static void cell_age(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_age(out, at(rows, row)->worker->state_ms);
}

static void cell_rate(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	top_add_rate(out, at(rows, row)->given_rate);
}

static void cell_bar(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	if (style)
		*style = TEXT_GREEN;
	for (unsigned i = 0; i < TOP_BAR_COLUMNS; i++)
		strbuf_add(out, i < at(rows, row)->bar ? "|" : " ");
}

static void cell_waiting(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	if (style && at(rows, row)->worker->waiting > 0)
		*style = TEXT_YELLOW;
	text_add_count(out, at(rows, row)->worker->waiting);
}

static void cell_open(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_count(out, at(rows, row)->worker->open);
}

static void cell_memory(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	text_add_bytes(out, at(rows, row)->worker->rss_bytes);
}

static void cell_cpu(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	double percent = at(rows, row)->cpu_percent;

	(void)style;
	if (percent < 0)
		strbuf_add(out, "-");
	else
		strbuf_addf(out, "%.0f", percent);
}

static void cell_why(const void *rows, size_t row, struct strbuf *out, enum text_style *style)
{
	(void)style;
	workers_add_why(at(rows, row)->worker, out);
}

struct table top_rows_table(const struct top_row *rows, size_t n)
{
	static const struct table_column columns[] = {
		{ "WORKER", 0, false, cell_name },   { "PID", 9, true, cell_pid },
		{ "GEN", 5, true, cell_generation }, { "STATE", 0, false, cell_state },
		{ "FOR", 7, true, cell_age },	     { "GIVEN/S", 1, true, cell_rate },
		{ "RATE", 6, false, cell_bar },	     { "WAITING", 2, true, cell_waiting },
		{ "OPEN", 3, true, cell_open },	     { "MEMORY", 8, true, cell_memory },
		{ "CPU%", 4, true, cell_cpu },	     { "WHY", 0, false, cell_why },
	};

	return (struct table){
		.columns = columns,
		.n_columns = ARRAY_SIZE(columns),
		.rows = rows,
		.n_rows = n,
		.last_min = 12,
	};
}
