/*
 * status - the broker as JSON lines, in the form that docs/control.md names.
 *
 * Writes what is known now. Open connections, memory and processor time come from the latest
 * survey: request one first to get fresh values.
 */
#pragma once

#include "base/buf.h"
#include "service/types.h"

struct master;

/* A line of a service's workers: one of them, or a slot that has none. */
struct status_row {
	uint64_t worker; /* worker::id; 0: none */
	unsigned slot;
};

struct status_rows {
	struct status_row *v; /* malloc'd */
	size_t n;
	uint64_t newest; /* worker::id: those above are not among them */
};

void status_write_broker(const struct master *m, struct buf *out);
void status_write_head(const struct service *s, struct buf *out); /* it and its listeners */

/* By slot, older generations first, guests last. 0 or -ENOMEM. */
int status_list_rows(const struct service *s, struct status_rows *ret);

/*
 * Row @i of @rows, as it is now, which may be some time later: a worker that is gone has no line.
 * The last row of a slot brings what came into the slot since, so that no slot is ever missing.
 */
void status_write_row(const struct service *s, const struct status_rows *rows, size_t i,
		      struct buf *out);

void status_write_worker(const struct worker *w, struct buf *out);

/* Whether @slot should have a worker and has none, and why that is. */
bool status_slot_is_empty(const struct service *s, unsigned slot);
void status_explain_slot(const struct service *s, unsigned slot, struct strbuf *out);
void status_write_pins(const struct service *s, struct buf *out);
