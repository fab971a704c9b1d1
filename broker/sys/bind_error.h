/*
 * bind_error - why an address cannot be bound, in words.
 */
#pragma once

#include "base/strbuf.h"
#include "handoff_wire.h"

/* Says why a bind of @addr failed with @error (-errno), and what to do. */
void bind_error_explain(const struct handoff_addr *addr, int error, struct strbuf *reason);
