/*
 * upgrade - another program goes on as this broker, under the same pid.
 *
 * It is tried first, as a child with a copy of the state: it must be able to read all of it, and
 * say in time that it loses nothing. Meanwhile the loop goes on. Then the state is written, and the
 * program is executed.
 */
#pragma once

#include "start.h"

void upgrade_init(struct upgrade *u, struct run *run);
void upgrade_deinit(struct upgrade *u); /* and drops the one under way */

/* @program NULL: what the broker was started from. 0; -errno with @error, which was logged. */
int upgrade_begin(struct upgrade *u, const char *program, struct strbuf *error);

/* The body of the trial, when all is adopted: says what it goes on with. Returns an exit code. */
enum exit_code upgrade_answer(const struct run *run);
