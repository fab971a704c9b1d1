/*
 * adopt - a worker as records, and made of records that another program has written.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/* With all texts that belong to it. @place: enum kept_place, in its slot. */
void worker_keep(const struct worker *w, unsigned place, struct strbuf *out);

/* It goes on as it was, without its channels. NULL: no memory, or no epoll slot. */
struct worker *worker_adopt(struct worker_terms *terms, struct service_conf *conf,
			    const struct kept_worker *k);

/* One of the texts of worker_keep(). 0 or -ENOMEM. */
int worker_adopt_text(struct worker *w, enum kept_kind kind, const char *text, size_t len);
