/*
 * top_text - one frame of the live screen: what `status` says, and how fast it changes.
 *
 * Pure but for the heap: two answers, the time between them and the size of the screen come in,
 * lines go out, never more and never wider than the screen.
 */
#ifndef BROKER_CTL_TOP_TEXT_H
#define BROKER_CTL_TOP_TEXT_H

#include "ctl/screen.h"
#include "ctl/view.h"

enum top_sort {
	TOP_BY_SLOT, /* as status has them */
	TOP_BY_RATE,
	TOP_BY_CPU,
	TOP_BY_OPEN,
	TOP_SORTS,
};

struct top {
	const struct view *now, *before; /* @before NULL: no rates yet */
	int64_t ms;			 /* between them */
	enum top_sort sort;
	const char *notice; /* instead of the keys: what is wrong; NULL: nothing */
};

/* 0 or -ENOMEM, with nothing in @out. */
int top_text(const struct top *top, const struct screen *screen, struct buf *out);

#endif
