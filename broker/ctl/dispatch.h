/*
 * dispatch - which function does which command.
 */
#ifndef BROKER_CTL_DISPATCH_H
#define BROKER_CTL_DISPATCH_H

#include "ctl/ctl.h"

/* Does what was typed; ctl->request is read already. */
enum ctl_exit dispatch_run(struct ctl *ctl);

#endif
