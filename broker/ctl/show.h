/*
 * show - the commands whose answer is shown and nothing else: a screen, a list, events as they
 *        come, or a word of confirmation.
 */
#ifndef BROKER_CTL_SHOW_H
#define BROKER_CTL_SHOW_H

#include "ctl/ctl.h"

enum ctl_exit ctl_show(struct ctl *ctl);

#endif
