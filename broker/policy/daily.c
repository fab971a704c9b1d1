#include "daily.h"

/* Longer than a broker may be kept from looking, shorter than anybody sets a clock by hand for. */
#define JUMP_S 60

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
