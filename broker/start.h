/*
 * start - what must be there before the first worker is started: program files, limits, places,
 * listeners, rights.
 */
#pragma once

#include "run.h"

/* Prepares @run. Anything but EXIT_CODE_OK: what is missing has been logged, with what to do. */
enum exit_code start_prepare(struct run *run);

/*
 * `broker -t`: looks at what a start of @run would fail at, and starts nothing: users and
 * groups, directories, programs, files, addresses, the descriptor limit. Binds an address for a
 * moment, but does not listen; one that is in use is no mistake: the broker itself may be running.
 * EXIT_CODE_OK; else @found has a line for each mistake, with its line in the file.
 */
enum exit_code start_check(struct run *run, struct strbuf *found);

/* Logs why the broker cannot start, or go on, and returns @code. */
enum exit_code start_failed(enum exit_code code, const char *text);
