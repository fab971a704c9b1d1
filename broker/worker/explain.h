/*
 * explain - why a worker does not serve although its app listens: elsewhere, or without library.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/* Adds what its configuration expects it to listen on, and what it does not listen on. */
void worker_add_missing(const struct worker *w, const char *before, struct strbuf *out);

/* Adds what it listens on through the broker. Both add nothing if there is none. */
void worker_add_addresses(const struct worker *w, const char *before, struct strbuf *out);

/* Logs why @w, which has not become ready in time, may not have: what it listens on instead. */
void worker_explain_timeout(const struct worker *w);

/* Which processes of a worker that have a listening socket of it lack the library. */
enum worker_lost {
	LOST_NONE,
	LOST_SOME, /* others have it */
	LOST_ALL,
};

/* Looks who has @c. With LOST_SOME and LOST_ALL the first of them, and why, is in @ret_why. */
enum worker_lost worker_lost_library(const struct worker *w, const struct channel *c,
				     struct strbuf *ret_why);
