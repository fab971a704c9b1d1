/*
 * workers_table - the workers of an answer as rows, with their rates since the answer before, in
 * columns that fit, for `status` and `top`. Pure but for the heap.
 *
 * A column is as wide as its widest cell. Where the screen is narrow, the least important columns
 * are left out. The last one, WHY, has all the room that is left, and may be cut.
 */
#pragma once

#include "ctl/text.h"
#include "ctl/view.h"

#define WORKERS_COLUMNS	    12
#define WORKERS_BAR_COLUMNS 10

enum workers_sort {
	SORT_BY_TROUBLE, /* what needs a look first, then by slot */
	SORT_BY_SLOT,	 /* service by service, in their order in the view */
	SORT_BY_RATE,
	SORT_BY_CPU,
	SORT_BY_OPEN,
	WORKERS_SORTS,
};

/* A rate below zero is not known. */
struct workers_row {
	const struct json_value *worker;
	double given_rate;  /* connections a second */
	double cpu_percent; /* of one processor */
	unsigned bar;	    /* of WORKERS_BAR_COLUMNS: the rate beside the highest one */
	double key;	    /* rows are sorted by it, the highest first ... */
	size_t at;	    /* ... and then by their place in the answer */
};

/*
 * A row for each worker of @now; *@ret_n of them. @before is the answer of @ms earlier; NULL: no
 * rate is known. The rows are the caller's to free, also if there are none. NULL: out of memory.
 */
struct workers_row *workers_rows_make(const struct view *now, const struct view *before, int64_t ms,
				      enum workers_sort sort, size_t *ret_n);

/*
 * By how much @key has grown a second, from @before to @now, @ms later. -1: it is not known, or the
 * count has started again from zero.
 */
double workers_rate(const struct json_value *now, const struct json_value *before, const char *key,
		    int64_t ms);

struct workers_column;

struct workers_table {
	const struct workers_column *columns; /* WORKERS_COLUMNS of them */
	const struct workers_row *rows;
	unsigned indent;
	unsigned width[WORKERS_COLUMNS]; /* 0: left out */
	unsigned why_at;		 /* where the last column begins */
};

/*
 * Measures @n rows and decides which columns fit into @width, for top if they are @live, else for
 * status. *@ret points to the rows.
 */
void workers_table_make(const struct workers_row *rows, size_t n, bool live, unsigned width,
			struct workers_table *ret);

/* One of the rows as the rest of a line that was begun. @row NULL: the titles. */
void workers_table_add_row(const struct workers_table *t, const struct workers_row *row,
			   struct text_line *line);

/* How a state looks: green serves, yellow is held, red does not come up. */
enum text_style workers_state_style(const char *state);

/* The words of WHY, with what a row must not hide: a tracer, or that only pins lead to it. */
void workers_add_why(const struct json_value *worker, struct strbuf *out);

/* The same, and whether they fit into a row of @columns. */
bool workers_why_fits(const struct workers_table *t, const struct json_value *worker,
		      unsigned columns, struct strbuf *out);

void workers_add_rate(struct strbuf *out, double rate);
