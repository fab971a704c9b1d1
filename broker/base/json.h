/*
 * json - writes JSON objects, one a line, into a buf.
 *
 *	json_begin(out, "worker");
 *	json_int(out, "pid", 812);
 *	json_object(out, "ledger");
 *	json_int(out, "accepted", 9);
 *	json_close(out);
 *	json_end(out);			{"type":"worker","pid":812,"ledger":{"accepted":9}}
 *
 * Commas come by themselves. Text that is not UTF-8, or that could steer a terminal, is
 * escaped: what comes out is always one valid line, whatever goes in.
 */
#pragma once

#include "base/buf.h"

void json_begin(struct buf *out, const char *type); /* begins with "type":@type */
void json_end(struct buf *out);			    /* and a newline */

void json_str(struct buf *out, const char *key, const char *value); /* NULL: null */
void json_bytes(struct buf *out, const char *key, const char *value, size_t n);
void json_int(struct buf *out, const char *key, long long value);
void json_int_if(struct buf *out, const char *key, bool known, long long value); /* else null */
void json_uint(struct buf *out, const char *key, unsigned long long value);
void json_bool(struct buf *out, const char *key, bool value);

void json_object(struct buf *out, const char *key); /* ended by json_close() */
void json_array(struct buf *out, const char *key);  /* ended by json_close_array() */
void json_close(struct buf *out);
void json_close_array(struct buf *out);

/* Elements of an array have no key: pass NULL. */
