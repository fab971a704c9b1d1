/*
 * text - lines of a screen: as wide as they may be, in colour or not, safe to show.
 *
 * Whatever is added is escaped: a worker's name or last words cannot move the cursor, turn the
 * direction of writing or break the line. Width counts columns of a terminal, not bytes.
 *
 * Pure: text in, text out.
 */
#ifndef BROKER_CTL_TEXT_H
#define BROKER_CTL_TEXT_H

#include <limits.h>
#include "base/buf.h"
#include "base/strbuf.h"

#define TEXT_UNLIMITED UINT_MAX /* as a width: nothing is cut */

enum text_style {
	TEXT_PLAIN,
	TEXT_BOLD,
	TEXT_DIM,
	TEXT_RED,
	TEXT_GREEN,
	TEXT_YELLOW,
	TEXT_BLUE,
	TEXT_MAGENTA,
	TEXT_CYAN,
};

/* The screen that text is made for. */
struct screen {
	unsigned columns; /* TEXT_UNLIMITED: not a terminal */
	unsigned rows;
	bool color;
};

/* Where a line is written and how far it has come. */
struct text_line {
	struct buf *out;
	unsigned width;	 /* columns that it may have, or TEXT_UNLIMITED */
	unsigned column; /* of what comes next */
	unsigned blanks; /* due before it: none are written at the end of a line */
	bool color;
	bool full;   /* something was cut: what is added from now on is lost */
	bool row;    /* set by who writes cells: one that has no room is nothing, not "..." */
	size_t mark; /* of out: up to here there is room for "..." behind it */
	unsigned mark_column;
};

void text_begin(struct text_line *line, struct buf *out, unsigned width, bool color);

/* What does not fit is cut, with "..." for it: if need be over the end of what stands before. */
void text_add(struct text_line *line, enum text_style style, const char *text);
void text_addf(struct text_line *line, enum text_style style, const char *fmt, ...) PRINTF(3, 4);

/* Blanks up to @column; none if the line is there already. */
void text_pad(struct text_line *line, unsigned column);

/* Ends the line with a newline, whatever is left of the width. */
void text_end(struct text_line *line);

/* Columns of @text when text_add writes it. */
unsigned text_width(const char *text);

/*
 * As many lines of @width columns as @text needs, each after @indent blanks, broken at blanks
 * where that is possible.
 */
void text_wrap(struct buf *out, unsigned width, unsigned indent, const char *text);

/* Numbers for tables: few columns rather than all digits. Below zero: "-", not known. */
void text_add_count(struct strbuf *out, int64_t n);	/* 99999, 123k, 1.2M */
void text_add_bytes(struct strbuf *out, int64_t bytes); /* 812, 1.2k, 34M: times 1024 */
void text_add_age(struct strbuf *out, int64_t ms);	/* 0s, 59s, 1m31s, 2h05m, 3d04h */
void text_add_cpu_time(struct strbuf *out, int64_t ms); /* 0.4s, 12.3s, then as an age */

#endif
