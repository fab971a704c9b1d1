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

#define LINES_SECTION 64 /* bytes */

/*
 * Adds a line of the answer, by its type: "event" with whatever else it says in brackets, and below
 * it what a worker wrote last; "lost"; "change" of `reload --plan`; "option" of `config`;
 * "progress". @section is that of the option before (at first ""), so that its name is printed once
 * above its options; it becomes that of this one. False: it is none of these.
 */
bool lines_add(const struct json_value *line, struct screen *s, char section[LINES_SECTION]);

/*
 * A step of a reload on the way as a bar, without a newline. @ms: how long ago the reload began.
 * False: @line is none.
 */
bool lines_add_bar(const struct json_value *line, int64_t ms, struct screen *s);
