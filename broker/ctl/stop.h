/*
 * stop - brokerctl stop: tells a service or the broker to end, and sees the broker end.
 */
#pragma once

#include "ctl/ask.h"

enum ctl_exit ctl_stop(struct ctl *ctl);
