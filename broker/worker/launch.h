/*
 * launch - the process of a worker: its arguments, its environment and its output.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/* Starts the process of @w and fills its pid and descriptors. 0 or -errno with @error. */
int launch(struct worker *w, struct strbuf *error);
