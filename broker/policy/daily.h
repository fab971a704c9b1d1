/*
 * daily - what happens once a day at a time of the wall clock.
 *
 * The clock is looked at every second or so. A time that summer time leaves out is over when the
 * clock is past it, and one that comes twice is over at the first. Where the clock jumps over it,
 * as after a suspend or when it is set, that day has none: nobody expects at noon what was to
 * happen at night.
 *
 * Owns:   the rule. Never: reads a clock, knows a time zone.
 */
#pragma once

#include "base/util.h"

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

/* Whether @at, in minutes from midnight, came between the last look and @now. */
bool daily_is_due(struct daily *d, struct daily_time now, int at);
