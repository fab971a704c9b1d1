/*
 * backoff - how long to wait before a worker that failed is started again.
 *
 * The first failure waits `min`, each further one twice as long, at most `max`. A worker
 * that served for the reset time ends the series. Pure: time comes in.
 */
#pragma once

#include "base/util.h"

struct backoff {
	unsigned failures; /* in a row */
	int64_t until_ms;  /* no start before this time; 0: at once */
};

/* One more failure at @now_ms. Returns the delay in milliseconds. */
static inline int64_t backoff_failed(struct backoff *b, int64_t now_ms, int64_t min_ms,
				     int64_t max_ms)
{
	int64_t delay = min_ms;

	/* Doubling one by one cannot overflow: it stops at max. */
	for (unsigned i = 0; i < b->failures && delay < max_ms; i++)
		delay = delay > max_ms / 2 ? max_ms : delay * 2;
	if (delay > max_ms)
		delay = max_ms;
	if (b->failures < UINT32_MAX)
		b->failures++;
	b->until_ms = now_ms + delay;
	return delay;
}

/* A healthy run, or a new configuration: the series ends. */
static inline void backoff_reset(struct backoff *b)
{
	*b = (struct backoff){ 0 };
}

/* Milliseconds until a start is allowed, 0 if it is. */
static inline int64_t backoff_wait(const struct backoff *b, int64_t now_ms)
{
	return b->until_ms > now_ms ? b->until_ms - now_ms : 0;
}
