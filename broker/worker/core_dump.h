/*
 * core_dump - where the core dump of a worker that has crashed is.
 */
#pragma once

#include "base/strbuf.h"
#include "worker/types.h"

/*
 * For @w whose main process was reaped. @ret_where gets the path of the file, if it exists, or
 * "|PROGRAM" that got the dump (by kernel.core_pattern), or "@SOCKET"; @ret_words gets a clause
 * that begins with a semicolon. Both stay empty if no core dump was expected.
 */
void core_dump_find(const struct worker *w, struct strbuf *ret_where, struct strbuf *ret_words);
