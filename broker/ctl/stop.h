/*
 * stop - waits until a broker that was asked to stop has ended. Meanwhile its events show how far
 * it is.
 */
#pragma once

#include "ctl/ask.h"

/* What tells that the process of the broker has ended, or -1; the caller closes it. */
int stop_watch(const struct ctl *ctl);

/* @ask prints the events. CTL_OK: it has ended; CTL_INTERRUPTED: the broker goes on stopping. */
enum ctl_exit stop_wait(struct ask *ask, struct ctl *ctl, int watch);
