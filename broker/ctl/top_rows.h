/*
 * top_rows - the workers of two answers as rows with rates, in the order that is wanted. Pure but
 * for the heap.
 */
#ifndef BROKER_CTL_TOP_ROWS_H
#define BROKER_CTL_TOP_ROWS_H

#include "ctl/table.h"
#include "ctl/top_text.h"

#define TOP_BAR_COLUMNS 10

/* Rates below zero: not known, as the worker was not there before. */
struct top_row {
	const struct view_worker *worker;
	double given_rate;  /* connections a second */
	double cpu_percent; /* of one processor */
	unsigned bar;	    /* of TOP_BAR_COLUMNS: the rate beside the highest one */
	size_t at;	    /* in the answer */
};

/* The rows of top->now. 0: *@ret is the caller's to free, NULL if there are none. -ENOMEM. */
int top_rows_make(const struct top *top, struct top_row **ret);

struct table top_rows_table(const struct top_row *rows, size_t n);

/* (now - before) a second; -1 if it is not known or the count began anew. */
double top_rate(int64_t now, int64_t before, int64_t ms);
void top_add_rate(struct strbuf *out, double rate);

#endif
