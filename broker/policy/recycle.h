/*
 * recycle - why a worker is replaced: it is hung, its work was enough, or its time has come.
 */
#pragma once

#include "base/util.h"

enum recycle_reason {
	RECYCLE_NOT,
	RECYCLE_STALLED,
	RECYCLE_UNHEALTHY,
	RECYCLE_TIME,
	RECYCLE_CONNECTIONS,
	RECYCLE_MEMORY,
	RECYCLE_AGE,
};

/*
 * When a worker that takes no connections is not just busy, as a server with one thread is for a
 * while, but hung. That has to be seen for @limit_ms: either some wait there all the time, for
 * @waits_ms, or it has taken none for @stalled_ms, though it was given some @n_untaken times.
 */
bool recycle_is_hung(int64_t limit_ms, int64_t stalled_ms, int64_t waits_ms, unsigned n_untaken);

/* Zero is no limit. */
struct recycle_limits {
	uint64_t connections;
	uint64_t memory; /* bytes, of all processes of a worker */
	int64_t age_ms;
};

/*
 * Whether a worker that has come so far is due, and why. It gets between 90 % and all of a limit,
 * by its @id, so that workers that were started together do not all come due together.
 */
enum recycle_reason recycle_due(const struct recycle_limits *limits,
				const struct recycle_limits *so_far, uint64_t id);

/* A moment, in local time but for .unix_s. */
struct daily_time {
	int64_t unix_s;
	int64_t day; /* a number that each day has alone */
	int minute;  /* from midnight */
};

/* All zero at first. */
struct daily {
	struct daily_time last;
	int64_t done_day;
};

/*
 * Whether @at, in minutes from midnight, came between the last look and @now. The clock is looked
 * at every second or so. A time that summer time leaves out is over when the clock is past it, and
 * one that comes twice is over at the first. Where the clock jumps over it, as after a suspend or
 * when it is set, that day has none: nobody expects at noon what was to happen at night.
 */
bool daily_is_due(struct daily *d, struct daily_time now, int at);
