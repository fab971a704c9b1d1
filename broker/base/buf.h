/*
 * buf - bytes that grow on the heap, up to a bound.
 *
 * Where strbuf is for messages that may be cut, this is for answers that must be whole: once
 * it could not grow it is `failed`, takes nothing more, and its owner gives up the answer.
 */
#pragma once

#include <stdarg.h>
#include "base/util.h"

struct buf {
	char *bytes; /* owned, malloc'd; not terminated */
	size_t len, room;
	size_t max; /* never longer than this */
	bool failed;
};

#define BUF_INIT(max_bytes) ((struct buf){ .max = (max_bytes) })

void buf_deinit(struct buf *b); /* frees; may be used again afterwards */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, const char *text);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Forgets the first @n bytes: they were written. Frees the storage when nothing is left. */
void buf_consume(struct buf *b, size_t n);
