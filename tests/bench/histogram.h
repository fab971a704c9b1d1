/*
 * histogram.h - latencies in constant space: log-linear, 64 steps per power of two.
 *
 * A value is known to 1/64 (1.6 %) at any size from nanoseconds to centuries, which is finer than
 * two runs on one machine agree. Adding is a few instructions, so it does not disturb what it
 * measures. All values are nanoseconds.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS	  6
#define HISTOGRAM_STEPS	  (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_BITS + 1) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count, max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* Below 64 a bucket is one value. Above, the exponent picks 64 buckets and the next six bits one.
 */
static inline unsigned histogram_index(uint64_t v)
{
	unsigned shift;

	if (v < HISTOGRAM_STEPS)
		return (unsigned)v;
	shift = 63 - HISTOGRAM_BITS - (unsigned)__builtin_clzll(v);
	return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((v >> shift) - HISTOGRAM_STEPS);
}

/* The middle of a bucket. */
static inline uint64_t histogram_value(unsigned index)
{
	unsigned shift;
	uint64_t low;

	if (index < HISTOGRAM_STEPS)
		return index;
	shift = index / HISTOGRAM_STEPS - 1;
	low = (uint64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS) << shift;
	return low + ((1ull << shift) >> 1);
}

static inline void histogram_add(struct histogram *h, uint64_t v)
{
	h->bucket[histogram_index(v)]++;
	h->count++;
	if (v > h->max)
		h->max = v;
}

/* The value that @per_mille of all are at or below. 0 if there is none. */
static inline uint64_t histogram_quantile(const struct histogram *h, unsigned per_mille)
{
	uint64_t rank = (h->count * per_mille + 999) / 1000, seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen && seen >= rank)
			return histogram_value(i) < h->max ? histogram_value(i) : h->max;
	}
	return 0;
}

#endif
