#include "pace.h"

int64_t pace_rest_ms(uint64_t worked_ns, unsigned times)
{
	return (int64_t)((worked_ns * times + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

int64_t pace_debt_ms(uint64_t *even_ns, uint64_t now_ns, uint64_t worked_ns, unsigned times,
		     uint64_t burst_ns)
{
	uint64_t spare_ns = burst_ns * times;

	if (*even_ns < now_ns)
		*even_ns = now_ns;
	*even_ns += worked_ns * times;
	return *even_ns - now_ns <= spare_ns ? 0 : pace_rest_ms(*even_ns - now_ns - spare_ns, 1);
}
