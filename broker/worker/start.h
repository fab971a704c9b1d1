/*
 * start - a worker begins and is freed.
 */
#pragma once

#include "worker/types.h"

/* A worker that is nowhere linked, without a process. NULL: no memory. */
struct worker *worker_new(struct worker_terms *terms, struct service_conf *conf, unsigned slot,
			  unsigned generation);
void worker_free(struct worker *w);

/* Its token: what it proves by that it is this worker. 0 or -errno with @error. */
int worker_make_token(struct worker *w, struct strbuf *error);

/* Starts the process. NULL, with the reason logged: nothing is left. It is in no list yet. */
struct worker *worker_start(struct worker_terms *terms, struct service_conf *conf, unsigned slot,
			    unsigned generation);
