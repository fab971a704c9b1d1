/*
 * connect - the connection of a command to its broker.
 */
#pragma once

#include "ctl/ctl.h"

/* Finds the broker and connects. CTL_OK, or CTL_NO_BROKER with the reason printed. */
enum ctl_exit ctl_connect(struct ctl *ctl);
