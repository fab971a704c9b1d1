#include "histogram.h"

uint64_t histogram_total(const struct histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += h->count[i];
	return n;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->count[i] += from->count[i];
	into->sum_ns += from->sum_ns;
}

/* @sum and @n times @us in nanoseconds, or the largest number that there is. */
static uint64_t add_times(uint64_t sum, uint64_t n, uint64_t us)
{
	uint64_t ns;

	return __builtin_mul_overflow(n, us * 1000, &ns) || __builtin_add_overflow(sum, ns, &sum)
		       ? UINT64_MAX
		       : sum;
}

void histogram_believe(struct histogram *believed, const struct handoff_page *said, uint64_t limit)
{
	uint64_t total = histogram_total(believed), least = 0, most = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t room = limit > total ? limit - total : 0, more = 0;

		if (said->count[i] > believed->count[i])
			more = said->count[i] - believed->count[i];
		if (more > room)
			more = room;
		believed->count[i] += more;
		total += more;
		if (i)
			least = add_times(least, believed->count[i], histogram_bound_us(i - 1));
		most = add_times(most, believed->count[i], histogram_bound_us(i));
	}
	if (said->sum_ns > believed->sum_ns)
		believed->sum_ns = said->sum_ns;
	if (believed->sum_ns > most)
		believed->sum_ns = most;
	if (believed->sum_ns < least)
		believed->sum_ns = least;
}
