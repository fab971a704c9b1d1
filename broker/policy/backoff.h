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
int64_t backoff_failed(struct backoff *b, int64_t now_ms, int64_t min_ms, int64_t max_ms);

/* A healthy run, or a new configuration: the series ends. */
void backoff_reset(struct backoff *b);

/* Milliseconds until a start is allowed, 0 if it is. */
int64_t backoff_wait(const struct backoff *b, int64_t now_ms);
