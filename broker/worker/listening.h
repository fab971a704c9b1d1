/*
 * listening - which addresses the app of a worker listens on.
 */
#pragma once

#include "worker/types.h"

/* Whether the app of @w listens on @port, at whatever address. */
bool worker_listens_on(const struct worker *w, uint16_t port);

/* Whether the app of @w listens on all that the `listen` lines name, and on anything at all. */
bool worker_listens_as_configured(const struct worker *w);

/* Whether it listens on all on which @other does. */
bool worker_listens_like(const struct worker *w, const struct worker *other);
