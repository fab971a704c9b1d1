/*
 * plan_text - single settings as lines: what a reload would change, what is in force. Pure.
 *
 *	service:web  workers: 2 -> 4  (at once: two workers are started)
 *	service:web  workers = 2	broker.ini:3  the file has 4
 */
#ifndef BROKER_CTL_PLAN_TEXT_H
#define BROKER_CTL_PLAN_TEXT_H

#include "base/json_doc.h"
#include "ctl/text.h"

/* A change of `reload --plan`. False: @doc is none. */
bool plan_text(const struct json_doc *doc, const struct screen *screen, struct buf *out);

/*
 * An option of `config`. @section is that of the option before (at first ""), so that its name is
 * printed once above its options; it becomes that of this one. False: @doc is none.
 */
bool option_text(const struct json_doc *doc, const struct screen *screen, char *section,
		 size_t size, struct buf *out);

#endif
