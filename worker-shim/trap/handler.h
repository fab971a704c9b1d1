/*
 * handler.h - what the launcher has told the blob.
 */
#pragma once

#include <stdbool.h>
#include "params.h"

extern struct trap_params trap_params;

/* Whether @path is /proc/self/exe or the like. */
bool exec_is_own(const char *path);
