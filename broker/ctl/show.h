/*
 * show - the commands that only print the answer: a screen, a list, events as they arrive, the
 *        steps of a reload, restart or rollback, or a confirmation.
 */
#pragma once

#include "ctl/ask.h"

enum ctl_exit ctl_show(struct ctl *ctl);
