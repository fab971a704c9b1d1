/*
 * lines_text - what is printed line by line as it comes: events, the changes that a reload would
 *              make, the options in force. Pure.
 *
 *	2026-11-22 15:37:44.123Z info  web.0 worker-ready: listens on port 3000 (pid 812)
 *
 *	[service:web] workers: 2 -> 4
 *	    at once: two workers are started
 *
 *	[service:web]
 *	workers              = 2                       # broker.ini:3; in the file: 4
 */
#ifndef BROKER_CTL_LINES_TEXT_H
#define BROKER_CTL_LINES_TEXT_H

#include "base/json_doc.h"
#include "ctl/text.h"

/*
 * An event, with whatever else it says in brackets, and below it what a worker wrote last. False:
 * @doc is neither an event nor the note that some were lost.
 */
bool lines_add_event(const struct json_doc *doc, const struct screen *screen, struct buf *out);

/* A change of `reload --plan`. False: @doc is none. */
bool lines_add_change(const struct json_doc *doc, const struct screen *screen, struct buf *out);

/*
 * An option of `config`. @section is that of the option before (at first ""), so that its name is
 * printed once above its options; it becomes that of this one. False: @doc is none.
 */
bool lines_add_option(const struct json_doc *doc, const struct screen *screen, char *section,
		      size_t size, struct buf *out);

#endif
