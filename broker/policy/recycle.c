#include "recycle.h"

/* Time alone is no evidence: where few clients come it may have been idle, and busy twice. */
#define ENOUGH 3

/* Longer than a broker may be kept from looking, shorter than anybody sets a clock by hand for. */
#define JUMP_S 60

bool recycle_is_hung(int64_t limit_ms, int64_t stalled_ms, int64_t waits_ms, unsigned n_untaken)
{
	return waits_ms >= limit_ms || (stalled_ms >= limit_ms && n_untaken >= ENOUGH);
}

/* 900 to 1000: spreads ids that follow each other (Knuth's multiplicative hash). */
static uint64_t permille(uint64_t id)
{
	return 900 + ((id * 2654435761u & 0xffffffff) * 101 >> 32);
}

static bool reached(uint64_t so_far, uint64_t limit, uint64_t id)
{
	/* Divided first: a limit of 2^60 bytes must not overflow. */
	return limit && so_far >= limit / 1000 * permille(id) + limit % 1000 * permille(id) / 1000;
}

enum recycle_reason recycle_due(const struct recycle_limits *limits,
				const struct recycle_limits *so_far, uint64_t id)
{
	if (reached(so_far->connections, limits->connections, id))
		return RECYCLE_CONNECTIONS;
	if (reached(so_far->memory, limits->memory, id))
		return RECYCLE_MEMORY;
	if (reached((uint64_t)so_far->age_ms, (uint64_t)limits->age_ms, id))
		return RECYCLE_AGE;
	return RECYCLE_NOT;
}

bool daily_is_due(struct daily *d, struct daily_time now, int at)
{
	struct daily_time last = d->last;
	bool jumped = now.unix_s < last.unix_s || now.unix_s - last.unix_s > JUMP_S;

	d->last = now;
	if (jumped || now.minute < at || (now.day == last.day && last.minute >= at) ||
	    d->done_day == now.day)
		return false;
	d->done_day = now.day;
	return true;
}
