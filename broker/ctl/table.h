/*
 * table - columns that fit: each as wide as its widest cell, the least important left out where
 * the screen is narrow, the last one with all the room that is left.
 *
 * Pure. The cells are asked for twice, once to measure and once to write.
 */
#ifndef BROKER_CTL_TABLE_H
#define BROKER_CTL_TABLE_H

#include "ctl/text.h"

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	unsigned drop; /* the column with the highest number is left out first; 0: never */
	bool right;    /* numbers */
	/* The text of row @row into @out, which is empty. NULL @style: not wanted. */
	void (*cell)(const void *rows, size_t row, struct strbuf *out, enum text_style *style);
};

struct table {
	const struct table_column *columns;
	size_t n_columns; /* the last one takes the rest of the line and may be cut */
	const void *rows; /* for cell() */
	size_t n_rows;
	unsigned indent;
	unsigned last_min; /* columns that the last one should have, if it has any text */
};

struct table_layout {
	unsigned width[TABLE_COLUMNS_MAX]; /* 0: left out */
	unsigned last_at;		   /* where the last column begins */
};

/* Measures all rows and decides what fits into @width. */
void table_measure(const struct table *t, unsigned width, struct table_layout *ret);

/* The titles, or one row, as a line of @out. */
void table_add_titles(const struct table *t, const struct table_layout *layout,
		      struct text_line *line);
void table_add_row(const struct table *t, const struct table_layout *layout, size_t row,
		   struct text_line *line);

#endif
