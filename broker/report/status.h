/*
 * status - the broker as JSON lines, in the form that docs/control.md names.
 *
 * All of it is from one moment. The lines of workers, of which there may be a thousand, are
 * formatted as they are written, so that the loop can go on accepting between two of them.
 */
#pragma once

#include "report/workers.h"

struct master;

struct status {
	struct buf lines; /* all but those of workers. Set its bound */
	struct worker_rows rows;
	size_t written, next; /* of .lines, and of the rows */
};

/* Of one service; or of all (NULL), after the line of the broker. 0 or -ENOMEM. */
int status_take(struct status *st, const struct master *m, const struct service *only);

/* Writes the next piece. False: that was the last. */
bool status_write(struct status *st, struct buf *out);
void status_deinit(struct status *st);

void status_write_pins(const struct service *s, struct buf *out);
