/*
 * show - the commands that only print the answer: a screen, a list, events as they
 *        arrive, or a confirmation.
 */
#ifndef BROKER_CTL_SHOW_H
#define BROKER_CTL_SHOW_H

#include "ctl/ctl.h"

enum ctl_exit ctl_show(struct ctl *ctl);

#endif
