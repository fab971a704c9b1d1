#include "backoff.h"

int64_t backoff_failed(struct backoff *b, int64_t now_ms, int64_t min_ms, int64_t max_ms)
{
	int64_t delay = min_ms;

	/* Doubling one by one cannot overflow: it stops at max. */
	for (unsigned i = 0; i < b->failures && delay < max_ms; i++)
		delay = delay > max_ms / 2 ? max_ms : delay * 2;
	if (delay > max_ms)
		delay = max_ms;
	if (b->failures < UINT32_MAX)
		b->failures++;
	b->until_ms = now_ms + delay;
	return delay;
}

void backoff_reset(struct backoff *b)
{
	*b = (struct backoff){ 0 };
}

int64_t backoff_wait(const struct backoff *b, int64_t now_ms)
{
	return b->until_ms > now_ms ? b->until_ms - now_ms : 0;
}
