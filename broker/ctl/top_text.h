/*
 * top_text - one frame of the live screen: what `status` says, and how fast it changes.
 *
 * Pure but for the heap: two answers, the time between them and the size of the screen come in,
 * lines go out, never more and never wider than the screen.
 */
#pragma once

#include "ctl/text.h"
#include "ctl/workers_table.h"

struct top {
	const struct view *now, *before; /* @before NULL: no rates yet */
	int64_t ms;			 /* between the two */
	enum workers_sort sort;
	const char *notice; /* what is wrong, shown instead of the keys; NULL: nothing */
};

void top_text(const struct top *top, const struct screen *screen, struct buf *out);
