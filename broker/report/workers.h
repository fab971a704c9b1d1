/*
 * workers - the lines of a service's workers, and of slots that wait for their next process.
 *
 * What is known now. Open connections, memory and processor time come from the latest survey:
 * request one first to get fresh values.
 */
#pragma once

#include "service/types.h"

/* Those in slots @first to @last: by slot, older generations first, guests last. 0 or -ENOMEM. */
int workers_write(const struct service *s, unsigned first, unsigned last, struct strbuf *out);

void worker_write(const struct worker *w, struct strbuf *out);

/* Whether @slot should have a worker and has none, and why that is. */
bool slot_is_empty(const struct service *s, unsigned slot);
void slot_explain(const struct service *s, unsigned slot, struct strbuf *out);
