/*
 * listening - which addresses the app of a worker listens on.
 */
#pragma once

#include "worker/types.h"

/* Whether the app of @w listens on @port, at whatever address. */
bool worker_listens_on(const struct worker *w, uint16_t port);

/* Whether the app of @w listens on all that the `listen` lines name, and on anything at all. */
bool worker_listens_as_configured(const struct worker *w);

/* The first address on which @other listens and @w does not; NULL: there is none. */
const struct endpoint *worker_missing_endpoint(const struct worker *w, const struct worker *other);
