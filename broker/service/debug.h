/*
 * debug - a person debugs one worker: it leaves the round, keeps the connections of one source if
 * that is wanted, and no clock ends it meanwhile.
 */
#pragma once

#include "service/types.h"

/*
 * @w is held for a debugger until debug_end(). Connections of @from (NULL: nobody's) go to it all
 * the same. 0; -EBUSY, or as service_pin(), with @error.
 */
int debug_begin(struct worker *w, const struct pin_source *from, struct strbuf *error);
void debug_end(struct worker *w);

/*
 * Adds what has become of @w, which was @from and is debugged, in words for the person that debugs
 * it. Nothing if nothing changes for that person.
 */
void debug_add_change(const struct worker *w, enum worker_state from, enum worker_event ev,
		      struct strbuf *out);
