/*
 * start - what must be there before the first worker is started: program files, limits, places,
 * listeners, rights.
 */
#pragma once

#include "types.h"

/* Prepares @run. Anything but EXIT_CODE_OK: what is missing has been logged, with what to do. */
enum exit_code start_prepare(struct run *run);

/* The first two steps: 0, or -errno with what is missing in @error. */
int start_find_shim(struct run *run, struct strbuf *error);
int start_raise_descriptor_limit(struct run *run, struct strbuf *error);

/* Logs why the broker cannot start, or go on, and returns @code. */
enum exit_code start_failed(enum exit_code code, const char *text);
