/*
 * top - the status as a live screen.
 */
#pragma once

#include "ctl/ask.h"

/* Ends with "q" or a signal. Needs a terminal. */
enum ctl_exit ctl_top(struct ctl *ctl);
