/*
 * status - the broker as JSON lines, in the form that docs/control.md names.
 *
 * Writes what is known now. Open connections, memory and processor time are those of the
 * latest survey: whoever wants them fresh asks for one first.
 */
#ifndef BROKER_CORE_STATUS_H
#define BROKER_CORE_STATUS_H

#include "base/buf.h"
#include "core/service.h"

/* Of the ledger, added up in one moment, and counted from the other side than accepted. */
struct ledger_sums {
	uint64_t taken;	  /* by workers, also those that have ended */
	uint64_t waiting; /* in channels and in the broker */
	bool balanced;	  /* accepted = taken + waiting + client gone + refused */
};

struct ledger_sums status_add_up(const struct service *s);

void status_write_all(struct master *m, struct buf *out);
void status_write_broker(const struct master *m, struct buf *out);
void status_write_service(const struct service *s, struct buf *out); /* with all that is in it */
void status_write_worker(const struct worker *w, struct buf *out);
void status_write_pins(const struct service *s, struct buf *out);
void status_write_workers(const struct service *s, struct buf *out); /* slots without one too */

/* Whether @slot should have a worker and has none; then the line of the slot, and why that is. */
bool status_slot_is_empty(const struct service *s, unsigned slot);
void status_write_slot(const struct service *s, unsigned slot, struct buf *out);
void status_explain_slot(const struct service *s, unsigned slot, struct strbuf *out);

#endif
