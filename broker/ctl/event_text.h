/*
 * event_text - one event as a line:
 *
 *	2026-11-22 15:37:44.123Z info  web.0 worker-ready: listens on port 3000 (pid 812)
 *
 * Whatever else the event says follows in brackets, and below it what a worker wrote last. Pure.
 */
#ifndef BROKER_CTL_EVENT_TEXT_H
#define BROKER_CTL_EVENT_TEXT_H

#include "base/json_doc.h"
#include "ctl/text.h"

/* False: @doc is neither an event nor the note that some were lost. */
bool event_text(const struct json_doc *doc, const struct screen *screen, struct buf *out);

#endif
