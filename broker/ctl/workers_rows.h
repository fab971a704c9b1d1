/*
 * workers_rows - the workers of an answer as rows, with their rates since the answer before, in
 * the order that is wanted. Pure but for the heap.
 */
#pragma once

#include "ctl/view.h"

#define WORKERS_BAR_COLUMNS 10

enum workers_sort {
	SORT_BY_SLOT, /* as the broker sends them */
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

/* (@now - @before) a second. -1: it is not known, or the count has started again from zero. */
double workers_rate(int64_t now, int64_t before, int64_t ms);
