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

#define WORKERS_COLUMNS 19 /* of status and top together */

enum workers_sort {
	SORT_BY_TROUBLE, /* what needs a look first, then by slot */
	SORT_BY_SLOT,	 /* service by service, in their order in the view */
	SORT_BY_RATE,
	SORT_BY_CPU,
	SORT_BY_OPEN,
	WORKERS_SORTS,
};

/* What top has besides the answer. */
struct workers_live {
	const struct view *before; /* NULL: no rates yet */
	int64_t ms;		   /* between the two */
	enum workers_sort sort;
	const char *search; /* only what has this in its name, state or WHY; empty: all */
};

struct workers_row {
	const struct json_value *worker;
	int64_t given, cpu; /* as workers_rate(): connections; milliseconds of processor time */
	unsigned bar;	    /* how long: the rate of connections beside the highest one */
	int64_t key;	    /* rows are sorted by it, the highest first ... */
	size_t at;	    /* ... and then by their place in the answer */
};

struct workers_table {
	bool is_live;		  /* for top */
	struct workers_row *rows; /* owned: free() them */
	size_t n;
	unsigned width[WORKERS_COLUMNS]; /* 0: left out */
	unsigned why_at;		 /* where the last column begins */
};

/* Decides which columns fit into @width. @live NULL: for status. False: out of memory. */
bool workers_table_make(const struct view *now, const struct workers_live *live, unsigned width,
			struct workers_table *ret);

/* Adds one of its rows to @s. @row NULL: the titles. @why: with the last column. */
void workers_table_add(const struct workers_table *t, const struct workers_row *row, bool why,
		       struct screen *s);

/* Adds the words of WHY to @out, and returns whether they fit into a row of @columns. */
bool workers_why_fits(const struct workers_table *t, const struct json_value *worker,
		      unsigned columns, struct strbuf *out);

/* Whether @search, see above, finds the line of a worker, or of a service. */
bool workers_match(const struct json_value *line, const char *search);

/*
 * By how much @key has grown, from @before to @now, @ms later: thousandths a second. -1: it is not
 * known, or the count has started again from zero.
 */
int64_t workers_rate(const struct json_value *now, const struct json_value *before, const char *key,
		     int64_t ms);
void workers_add_rate(struct strbuf *out, int64_t rate);
