/*
 * load_stats.h - counts right answers: how many, by whom, how fast. Fixed size, no allocation.
 */
#ifndef TESTS_LOAD_STATS_H
#define TESTS_LOAD_STATS_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define STATS_PIDS 4096 /* power of two; answers of further processes are in the total only */
/* Latencies in buckets of 1/32 of their power of two: at most 3 % wide. */
#define SUB_BITS 5
#define BUCKETS	 (64 << SUB_BITS)

struct stats {
	uint64_t answers, max_us;
	uint64_t latency[BUCKETS];
	struct {
		unsigned pid; /* 0: free */
		uint64_t answers;
	} pids[STATS_PIDS];
};

static inline unsigned stats_bucket(uint64_t us)
{
	unsigned top;

	if (us < 1 << SUB_BITS)
		return (unsigned)us;
	top = 63 - (unsigned)__builtin_clzll(us);
	return ((top - SUB_BITS + 1) << SUB_BITS) +
	       (unsigned)((us >> (top - SUB_BITS)) & ((1 << SUB_BITS) - 1));
}

static inline uint64_t stats_floor(unsigned bucket)
{
	unsigned exponent = bucket >> SUB_BITS;

	if (exponent == 0)
		return bucket;
	return (uint64_t)((1U << SUB_BITS) + (bucket & ((1U << SUB_BITS) - 1))) << (exponent - 1);
}

static inline uint64_t stats_percentile(const struct stats *s, unsigned per_thousand)
{
	uint64_t want = (s->answers * per_thousand + 999) / 1000, seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += s->latency[i];
		if (seen >= want && seen > 0)
			return stats_floor(i);
	}
	return 0;
}

static inline void stats_add(struct stats *s, unsigned pid, uint64_t us)
{
	s->answers++;
	s->latency[stats_bucket(us)]++;
	if (us > s->max_us)
		s->max_us = us;
	for (unsigned i = 0; i < STATS_PIDS; i++) {
		unsigned at = (pid * 2654435761U + i) & (STATS_PIDS - 1);

		if (s->pids[at].pid != pid && s->pids[at].pid != 0)
			continue;
		s->pids[at].pid = pid;
		s->pids[at].answers++;
		return;
	}
}

/* As members of a JSON object. */
static inline void stats_print(const struct stats *s)
{
	const char *comma = "";

	printf("\"pids\":{");
	for (unsigned i = 0; i < STATS_PIDS; i++) {
		if (!s->pids[i].pid)
			continue;
		printf("%s\"%u\":%" PRIu64, comma, s->pids[i].pid, s->pids[i].answers);
		comma = ",";
	}
	printf("},\"p50_us\":%" PRIu64 ",\"p90_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
	       ",\"max_us\":%" PRIu64,
	       stats_percentile(s, 500), stats_percentile(s, 900), stats_percentile(s, 990),
	       s->max_us);
}

#endif
