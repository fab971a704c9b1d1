/*
 * lines_text - what is printed line by line as it comes: events, the changes that a reload would
 *              make, the options in force, the steps of a reload. Pure.
 *
 *	2026-11-22 15:37:44.123Z info  web.0 worker-ready: listens on port 3000 (pid 812)
 *
 *	[service:web] workers: 2 -> 4
 *	    at once: two workers are started
 *
 *	[service:web]
 *	workers              = 2                       # broker.ini:3; in the file: 4
 *
 *	web: web.1 of generation 4 is ready (2 of 4)
 *
 * and, as one line of a terminal that changes:
 *
 *	web generation 4  [##>.]  2/4  5s  waits for web.2 to listen (2 s, 28 s left)
 */
#pragma once

#include "ctl/text.h"

/*
 * An event, with whatever else it says in brackets, and below it what a worker wrote last. False:
 * @event is neither an event nor the note that some were lost.
 */
bool lines_add_event(const struct json_value *event, const struct screen *screen, struct buf *out);

/* A change of `reload --plan`. False: @change is none. */
bool lines_add_change(const struct json_value *change, const struct screen *screen,
		      struct buf *out);

/*
 * An option of `config`. @section is that of the option before (at first ""), so that its name is
 * printed once above its options; it becomes that of this one. False: @option is none.
 */
bool lines_add_option(const struct json_value *option, const struct screen *screen, char *section,
		      size_t size, struct buf *out);

/* A line of type "progress". */
void lines_add_step(const struct json_value *step, const struct screen *screen, struct buf *out);

/* What the bar shows of the last step. */
struct lines_bar {
	char service[64], waits_for[256];
	int64_t generation, done, of;
};

void lines_bar_read(const struct json_value *step, struct lines_bar *ret);

/* Without a newline. @ms: how long ago the reload began. */
void lines_add_bar(const struct lines_bar *bar, int64_t ms, const struct screen *screen,
		   struct buf *out);
