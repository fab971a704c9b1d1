#include "histogram.h"

/* A wait beyond the last bound is counted as up to this long: nobody can prove more. */
#define LAST_BOUND_US ((uint64_t)1 << HISTOGRAM_BUCKETS)

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

static uint64_t upper_us(size_t bucket)
{
	return bucket < HISTOGRAM_BUCKETS - 1 ? histogram_bound_us(bucket) : LAST_BOUND_US;
}

/* @n times @us in nanoseconds, or the largest number that there is. */
static uint64_t product_ns(uint64_t n, uint64_t us)
{
	uint64_t ns;

	return __builtin_mul_overflow(n, us * 1000, &ns) ? UINT64_MAX : ns;
}

static uint64_t add_up_to_max(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void histogram_believe(struct histogram *believed, const struct handoff_page *said, uint64_t limit)
{
	uint64_t total = histogram_total(believed), least = 0, most = 0, sum = believed->sum_ns;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t room = limit > total ? limit - total : 0, more = 0;

		if (said->count[i] > believed->count[i])
			more = said->count[i] - believed->count[i];
		if (more > room)
			more = room;
		believed->count[i] += more;
		total += more;
		least = add_up_to_max(least,
				      i ? product_ns(believed->count[i], upper_us(i - 1)) : 0);
		most = add_up_to_max(most, product_ns(believed->count[i], upper_us(i)));
	}
	if (said->sum_ns > sum)
		sum = said->sum_ns;
	if (sum > most)
		sum = most;
	if (sum < least)
		sum = least;
	believed->sum_ns = sum;
}
