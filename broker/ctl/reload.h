/*
 * reload - reload, restart and rollback: shows what they wait for and how they end.
 */
#ifndef BROKER_CTL_RELOAD_H
#define BROKER_CTL_RELOAD_H

#include "ctl/ctl.h"

enum ctl_exit ctl_reload(struct ctl *ctl);

#endif
