/*
 * lines_text - what is printed line by line as it comes: events, the changes that a reload would
 * make, the options in force, the steps of a reload. Pure.
 */
#pragma once

#include "ctl/text.h"

#define LINES_SECTION 64 /* bytes */

/*
 * Adds a line of the answer, uncut, by its type: "event" with whatever else it says in brackets,
 * and below it what a worker wrote last; "lost"; "change" of `reload --plan`; "option" of `config`;
 * "progress". @section is that of the option before (at first ""), so that its name is printed once
 * above its options; it becomes that of this one. False: it is none of these.
 */
bool lines_add(const struct json_value *line, struct screen *s, char section[LINES_SECTION]);

/*
 * A step of a reload on the way as a bar, without a newline. @ms: how long ago the reload began.
 * False: @line is none.
 */
bool lines_add_bar(const struct json_value *line, int64_t ms, struct screen *s);
