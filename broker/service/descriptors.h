/*
 * descriptors - whether the descriptor limit of the broker is enough for its services.
 */
#pragma once

#include "service/types.h"

/* Whether the descriptor limit is enough for @conf. 0; -EMFILE, or -errno, with @error. */
int descriptors_check(const struct conf *conf, struct strbuf *error);

/* Whether it is enough for @workers of @s, and all the others as they run now. As above. */
int descriptors_check_workers(const struct service *s, unsigned workers, struct strbuf *error);
