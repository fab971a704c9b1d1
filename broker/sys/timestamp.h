/*
 * timestamp - a moment as RFC 3339 writes it: 2026-11-22T15:37:44.123Z.
 */
#ifndef BROKER_SYS_TIMESTAMP_H
#define BROKER_SYS_TIMESTAMP_H

#include <sys/time.h>
#include "base/strbuf.h"

void timestamp_add(struct strbuf *out, const struct timeval *when);

#endif
