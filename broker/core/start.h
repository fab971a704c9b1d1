/*
 * start - what must be there before the first worker is started: program files, limits, places,
 * listeners, rights.
 */
#ifndef BROKER_CORE_START_H
#define BROKER_CORE_START_H

#include "core/master.h"

/* Prepares @m. Anything but EXIT_CODE_OK: what is missing has been logged, with what to do. */
enum exit_code start_prepare(struct master *m);

/* Whether the descriptor limit is enough for @conf. 0; -EMFILE, or -errno, with @error. */
int start_check_descriptors(const struct conf *conf, struct strbuf *error);

/* Whether it is enough for @workers of @s, and all the others as they run now. As above. */
int start_check_workers(const struct service *s, unsigned workers, struct strbuf *error);

/* Logs why the broker cannot start, or go on, and returns @code. */
enum exit_code start_failed(enum exit_code code, const char *text);

#endif
