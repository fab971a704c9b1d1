/*
 * quote - how a message shows the text that somebody gave: in double quotes,
 * escaped so that it cannot steer a terminal, and cut where it gets long.
 */
#pragma once

#include "base/strbuf.h"

void quote_add(struct strbuf *out, const char *text);
void quote_add_bytes(struct strbuf *out, const char *text, size_t len);

/* Adds: "text" and why it is refused. Returns -EINVAL. */
int quote_refuse(struct strbuf *out, const char *text, const char *fmt, ...) PRINTF(3, 4);
