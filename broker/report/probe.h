/*
 * probe - the state of the broker in words, for HTTP probes and for HAProxy.
 */
#pragma once

#include "base/buf.h"

struct master;

/*
 * True, and "ok", if each service has a ready worker and the broker does not stop. Else one
 * line for each thing that is missing.
 */
bool probe_ready(const struct master *m, struct buf *out);

/* The line for HAProxy: up with a weight, drain, or down. */
void probe_agent(const struct master *m, struct buf *out);
