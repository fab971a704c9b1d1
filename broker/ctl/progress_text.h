/*
 * progress_text - how far a reload or a restart has come.
 *
 *	web generation 4  [##>.]  2/4  5s  waits for web.2 to listen (2 s, 28 s left)
 *	web: web.1 of generation 4 is ready (2 of 4)
 *
 * the first as one line of a terminal that changes, the second as lines for a file. Pure.
 */
#ifndef BROKER_CTL_PROGRESS_TEXT_H
#define BROKER_CTL_PROGRESS_TEXT_H

#include "base/json_doc.h"
#include "ctl/text.h"

#define PROGRESS_TEXT 256

enum progress_phase {
	PROGRESS_BEGIN,
	PROGRESS_WAIT, /* no step, but a sign of life, for the bar */
	PROGRESS_START,
	PROGRESS_READY,
	PROGRESS_RETIRE,
	PROGRESS_DONE,
	PROGRESS_OTHER, /* aborted, refused, or of a newer broker: nothing follows */
};

struct progress {
	char service[64], worker[64], waits_for[PROGRESS_TEXT], message[PROGRESS_TEXT];
	char phase_name[32];
	enum progress_phase phase;
	int64_t generation, done, of;
};

/* False: @doc is not a line of progress. */
bool progress_read(const struct json_doc *doc, struct progress *ret);

/* Without a newline. @ms: how long ago the reload began. */
void progress_bar_text(const struct progress *p, int64_t ms, const struct screen *screen,
		       struct buf *out);

void progress_line_text(const struct progress *p, const struct screen *screen, struct buf *out);

#endif
