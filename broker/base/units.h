/*
 * units - numbers as people write them: 30s, 64k, TERM.
 *
 * Every parser takes a whole word. 0: *@ret is set. A positive enum
 * units_error: *@ret is untouched. Bounds of an option are its own business;
 * here a number must only fit.
 */
#pragma once

#include "base/strbuf.h"

enum units_error {
	UNITS_MALFORMED = 1, /* not a number, not such a word */
	UNITS_NO_UNIT,	     /* a duration without its unit; 0 alone is fine */
	UNITS_BAD_UNIT,	     /* a number, and then no unit that is known */
	UNITS_TOO_BIG,	     /* for 63 bits */
};

/* Digits, then the name of a unit. */
struct unit {
	const char *name;
	int64_t factor; /* 0: the end of the table */
};
extern const struct unit units_counts[];    /* none: digits only */
extern const struct unit units_durations[]; /* in ms: ms s m h d */
extern const struct unit units_sizes[];	    /* in bytes: k m g, times 1024, or none */
int units_parse(const struct unit *units, const char *text, int64_t *ret);
int units_parse_count(const char *text, int64_t *ret);

/* The shortest text that means the same: 60000 is "1m", 65536 is "64k". */
void units_add(struct strbuf *out, const struct unit *units, int64_t n);

/* TERM, SIGTERM, 15, RTMIN+3: a number from 1 to 64, in any case of letters. */
int units_parse_signal(const char *text, int *ret);

int units_parse_clock(const char *text, int *ret_minutes); /* 03:00, from midnight */

/* 1024:64k, unlimited: the soft and the hard limit of setrlimit(2), or one for both. */
#define UNITS_UNLIMITED INT64_MAX
int units_parse_limit(const char *text, int64_t *ret_soft, int64_t *ret_hard);

/* 0-3,8, and before that per-worker or per-worker: with a list or without. */
#define UNITS_CPUS 1024
struct units_cpus {
	bool per_worker;
	bool all; /* there is no list */
	bool has[UNITS_CPUS];
};
int units_parse_cpus(const char *text, struct units_cpus *ret);

/* "TERM"; "35" where there is no name. */
struct units_signal {
	char text[12];
};
struct units_signal units_signal(int signal);

#define UNITS_SIGNALS 65 /* the kernel has 1 to 64 on every architecture but MIPS */
extern const char *const units_signal_names[UNITS_SIGNALS]; /* NULL: it has none */
