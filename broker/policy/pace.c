#include "pace.h"

int64_t pace_rest_ms(uint64_t worked_ns, unsigned times)
{
	return (int64_t)((worked_ns * times + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}
