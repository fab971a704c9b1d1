/*
 * text - lines of a screen: as wide as they may be, in colour or not, safe to show.
 *
 * Whatever is added is escaped: a worker's name or last words cannot move the cursor, turn the
 * direction of writing or break the line. Width counts columns of a terminal, not bytes.
 *
 * Pure: text in, text out.
 */
#pragma once

#include <limits.h>
#include "base/json.h"

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

/* Where text goes, and what it is made for. */
struct screen {
	unsigned columns; /* TEXT_UNLIMITED: not a terminal */
	unsigned rows;
	bool color;
	struct strbuf *out;
	size_t left; /* lines that may still be added; SIZE_MAX: any number */
};

/* A line that is being written. */
struct text_line {
	struct strbuf
		*out;	/* NULL: there is no room for the line: it is full, and does not even end */
	unsigned width; /* columns at most, or TEXT_UNLIMITED */
	unsigned column; /* of what comes next */
	unsigned blanks; /* to write before it, so that no line ends in blanks */
	bool color;
	bool full;   /* something was cut; what is added now is lost */
	bool row;    /* it has cells: one without room is left out, not "..." */
	size_t mark; /* length of out, up to which "..." fits behind it */
};

/* Begins a line; text_end() ends it. If none is left, nothing of it will be shown. */
struct text_line text_begin(struct screen *s, unsigned indent);
void text_end(struct text_line *line);

/* What does not fit is cut and becomes "...", if need be over the end of what is there already. */
void text_add(struct text_line *line, enum text_style style, const char *text);
void text_addf(struct text_line *line, enum text_style style, const char *fmt, ...) PRINTF(3, 4);

/*
 * Adds @words up to a '<' or the end, and returns where that is. In them $KEY stands for that
 * member of @object: a text, an integer, or, if KEY ends in "ms", an age. Nothing stands for what
 * is absent, and for a flag. What is in braces is left out if a member in it is absent, empty, 0 or
 * false: "up{, since $since}{, held$held}"; "{$a|b}" is b then.
 */
const char *text_expand(struct strbuf *out, const char *words, const struct json_value *object);

/*
 * Adds all of them to a line. Outside of braces, "<red>" begins a style, "<state>" that of the
 * member "state", and "<>" is @style again.
 */
void text_fill(struct text_line *line, enum text_style style, const char *words,
	       const struct json_value *object);

/* The same as a line of its own. None, if @words come to nothing. */
void text_print(struct screen *s, unsigned indent, const char *words,
		const struct json_value *object);

/* How a state, or the level of an event, looks: green serves, yellow is held, red fails. */
enum text_style text_state_style(const char *state);

/* Blanks up to @column; none if the line is there already. */
void text_pad(struct text_line *line, unsigned column);

/* Columns that text_add() needs for @text. */
unsigned text_width(const char *text);

/*
 * Adds @text in as many lines as it needs, each after @indent blanks, wrapped at blanks where
 * possible. @whole_words: those too long for a line stay whole, so that a path can still be copied.
 */
void text_wrap(struct screen *s, unsigned indent, bool whole_words, const char *text);

/* Adds the lines of @text, each after @before, uncut. */
void text_add_lines(struct screen *s, const char *before, const char *text);

/* Numbers for tables, short rather than exact. Below zero: "-", not known. */
void text_add_count(struct strbuf *out, int64_t n);	/* 99999, 123k, 1.2M */
void text_add_bytes(struct strbuf *out, int64_t bytes); /* 812, 1.2k, 34M: powers of 1024 */
void text_add_age(struct strbuf *out, int64_t ms);	/* 0s, 59s, 1m31s, 2h05m, 3d04h */
void text_add_cpu_time(struct strbuf *out, int64_t ms); /* 0.4s, 12.3s, then as an age */
