/*
 * pace - how long work that nobody waits for rests, so that its cost has a limit for each second,
 * however much there is of it. It is done in slices, each followed by its rest. Times are those of
 * the processor: on a busy machine the broker waits for it, and that costs nobody anything.
 */
#pragma once

#include "base/util.h"

/* What a turn of the loop may be longer for it: the next connection waits for so long. */
#define PACE_SLICE_NS (200 * 1000)

/* How many times as long as a slice its rest is. */
#define PACE_EVIDENCE 20 /* below 5 % of a processor */
#define PACE_IDLE_END 5	 /* 17 %: the end of drain_timeout comes nearer */
#define PACE_SURVEY   2	 /* a third: a person waits for it */

/* @times as long, in milliseconds, the grain of timers: at least so long. */
static inline int64_t pace_rest_ms(uint64_t worked_ns, unsigned times)
{
	return (int64_t)((worked_ns * times + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

/*
 * For work that comes in bursts: @even_ns is when all of it so far is made up for. How long it
 * rests after @worked_ns more at @now_ns; 0: not, as @burst_ns of it may come at once.
 */
static inline int64_t pace_debt_ms(uint64_t *even_ns, uint64_t now_ns, uint64_t worked_ns,
				   unsigned times, uint64_t burst_ns)
{
	uint64_t spare_ns = burst_ns * times;

	if (*even_ns < now_ns)
		*even_ns = now_ns;
	*even_ns += worked_ns * times;
	return *even_ns - now_ns <= spare_ns ? 0 : pace_rest_ms(*even_ns - now_ns - spare_ns, 1);
}
