/*
 * top_text - one frame of the live screen: what `status` says, and how fast it changes.
 *
 * What needs a look comes first. What does not fit is counted, and can be scrolled to: first the
 * services, as far as they do not fit, then the workers.
 *
 * Pure but for the heap: two answers, the time between them and the size of the screen come in,
 * lines go out, never more and never wider than the screen.
 */
#pragma once

#include "ctl/workers_table.h"

struct top {
	struct view *now; /* its services are ordered */
	struct workers_live live;
	size_t scroll;	    /* lines; cut to what there is */
	bool typing;	    /* ->live.search is being typed */
	const char *notice; /* what is wrong, shown instead of the keys; NULL: nothing */
};

void top_text(struct top *top, struct screen *s);
