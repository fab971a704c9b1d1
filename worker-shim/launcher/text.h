/*
 * text.h - where the text of a program lies, as /proc/PID/maps tells. Pure.
 */
#pragma once

#include <stdbool.h>
#include "trap/params.h"

/*
 * Adds to @ret what line @line, of a mapping of file @ino, says that can be executed, in pieces
 * that no multiple of 4 GiB is in. False: there are too many.
 */
bool text_add(const char *line, uint64_t ino, struct trap_params *ret);

/* The same of all from @from to @to. */
bool text_add_range(uint64_t from, uint64_t to, struct trap_params *ret);

/*
 * Adds to @ret->old what line @line says of this process, but for what the kernel gives to every
 * program. What does not fit stays.
 */
void text_add_old(const char *line, struct trap_params *ret);
