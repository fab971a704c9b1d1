/*
 * scheduling - when the broker runs as a batch process.
 *
 * A batch process that wakes up does not take the processor from what runs there. While many
 * connections come, the broker so finds several each time that it wakes up, and neither it nor the
 * workers are switched out for each of them. With few of them it would only be late; and beside
 * programs that use the processor without a break, by the length of their time slices.
 */
#pragma once

#include "base/util.h"

/* What has been counted until now. */
struct scheduling_sample {
	int64_t ms;	      /* CLOCK_MONOTONIC */
	uint64_t connections; /* accepted */
	/* Since the process began: how often it had a processor, and how long it waited for one. */
	uint64_t runs, delay_ns;
};

/* All zero: it does not run as a batch process, and nothing has been seen. */
struct scheduling {
	bool batch;
	int64_t not_before_ms; /* it was no good: not tried again until then */
	struct scheduling_sample last;
};

/* Whether enough time has passed for a sample to say something. Until then nothing need be read. */
bool scheduling_is_due(const struct scheduling *s, int64_t now_ms);

/*
 * Whether it should be a batch process from now on; the same is in @s->batch. To be asked every few
 * milliseconds while connections come or @s->batch holds; more often than necessary does no harm.
 */
bool scheduling_next(struct scheduling *s, const struct scheduling_sample *now);
