/*
 * handler.h - what the launcher has told the blob.
 */
#pragma once

#include <stdbool.h>
#include "params.h"

extern struct trap_params trap_params;

/*
 * From now on all that is done with any descriptor is trapped, in each thread: no filter can be
 * taken away.
 */
bool trap_all_sockets(void);

/* Whether @path is /proc/self/exe or the like. */
bool exec_is_own(const char *path);
