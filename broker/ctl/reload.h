/*
 * reload - reload, restart and rollback: shows what they wait for and how they end.
 */
#pragma once

#include "ctl/ctl.h"

enum ctl_exit ctl_reload(struct ctl *ctl);
