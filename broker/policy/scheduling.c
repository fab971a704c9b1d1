#include "scheduling.h"

/* It begins soon, and is judged over a longer time. */
#define BEGIN_MS  25
#define WINDOW_MS 100
/* Connections per second. */
#define RATE_ON	 2000
#define RATE_OFF 1000
/* On average, from waking up to having a processor: what workers use of theirs is far below. */
#define DELAY_MAX_NS ((uint64_t)NSEC_PER_MSEC)
#define RETRY_MS     10000

bool scheduling_is_due(const struct scheduling *s, int64_t now_ms)
{
	return now_ms - s->last.ms >= (s->batch ? WINDOW_MS : BEGIN_MS);
}

bool scheduling_next(struct scheduling *s, const struct scheduling_sample *now)
{
	int64_t window_ms = now->ms - s->last.ms;
	uint64_t rate, runs;

	if (!scheduling_is_due(s, now->ms))
		return s->batch;
	rate = (now->connections - s->last.connections) * MSEC_PER_SEC / (uint64_t)window_ms;
	runs = now->runs - s->last.runs;
	if (s->batch && now->delay_ns - s->last.delay_ns > runs * DELAY_MAX_NS) {
		s->batch = false;
		s->not_before_ms = now->ms + RETRY_MS;
	} else {
		s->batch = rate >= (s->batch ? RATE_OFF : RATE_ON) && now->ms >= s->not_before_ms;
	}
	s->last = *now;
	return s->batch;
}
