/*
 * histogram - durations in buckets whose bounds are powers of two microseconds. A worker's page
 * (handoff_page.h) has the same buckets, so the two can be added.
 */
#pragma once

#include "base/util.h"
#include "handoff_page.h"

#define HISTOGRAM_BUCKETS HANDOFF_PAGE_BUCKETS

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS]; /* of each bucket by itself, not added up */
	uint64_t sum_ns;
};

/* In the path of every connection: two additions. */
static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count[handoff_page_bucket(ns)]++;
	h->sum_ns += ns;
}

/* The upper bound of a bucket in microseconds. The last has none, and nobody can prove more. */
static inline uint64_t histogram_bound_us(size_t bucket)
{
	return (uint64_t)1 << bucket;
}

uint64_t histogram_total(const struct histogram *h);

void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * Copies to @believed what a worker reports about itself (@said, a copy of its page), within
 * limits: no count decreases, the total is at most @limit, and the sum is possible for such
 * counts. So a worker can falsify its own times and nothing else.
 */
void histogram_believe(struct histogram *believed, const struct handoff_page *said, uint64_t limit);
