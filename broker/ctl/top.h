/*
 * top - the status as a live screen.
 */
#ifndef BROKER_CTL_TOP_H
#define BROKER_CTL_TOP_H

#include "ctl/ctl.h"

/* Ends with "q" or a signal. Needs a terminal. */
enum ctl_exit ctl_top(struct ctl *ctl);

#endif
