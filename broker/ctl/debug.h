/*
 * debug - holds a worker while a debugger runs on it.
 */
#pragma once

#include "ctl/ask.h"

/* The exit status is the debugger's own, once it has started. */
enum ctl_exit ctl_debug(struct ctl *ctl);
