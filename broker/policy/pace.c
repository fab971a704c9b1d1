#include "pace.h"

int64_t pace_rest_ms(enum pace pace, uint64_t worked_ns)
{
	return (int64_t)((worked_ns * pace + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}
