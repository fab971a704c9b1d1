/*
 * workers_table - rows of workers in columns that fit, for `status` and `top`. Pure.
 *
 * A column is as wide as its widest cell. Where the screen is narrow, the least important columns
 * are left out. The last one, WHY, has all the room that is left, and may be cut.
 */
#pragma once

#include "ctl/text.h"
#include "ctl/workers_rows.h"

#define WORKERS_COLUMNS 12

struct workers_column;

struct workers_table {
	const struct workers_column *columns; /* WORKERS_COLUMNS of them */
	const struct workers_row *rows;
	unsigned indent;
	unsigned width[WORKERS_COLUMNS]; /* 0: left out */
	unsigned why_at;		 /* where the last column begins */
};

/* Measures @n rows and decides which columns fit into @width. *@ret points to the rows. */
void workers_table_status(const struct workers_row *rows, size_t n, unsigned width,
			  struct workers_table *ret);
void workers_table_top(const struct workers_row *rows, size_t n, unsigned width,
		       struct workers_table *ret);

/* One of the rows as the rest of a line that was begun. @row NULL: the titles. */
void workers_table_add_row(const struct workers_table *t, const struct workers_row *row,
			   struct text_line *line);

/* How a state looks: green serves, yellow is held, red does not come up. */
enum text_style workers_state_style(const char *state);

/* The words of WHY, with what a row must not hide: a tracer, or that only pins lead to it. */
void workers_add_why(const struct json_value *worker, struct strbuf *out);

void workers_add_rate(struct strbuf *out, double rate);
