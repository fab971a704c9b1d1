/*
 * loop_log - what the log needs of the loop, and says of it.
 */
#pragma once

#include "start.h"

/* What waits for a slow reader goes out as soon as that reads, and turns that come late are said. */
void loop_log_begin(struct run *run);
