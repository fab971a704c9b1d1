/*
 * connect - the connection of a command to its broker.
 */
#ifndef BROKER_CTL_CONNECT_H
#define BROKER_CTL_CONNECT_H

#include "ctl/ctl.h"

/* Finds the broker and connects. CTL_OK, or CTL_NO_BROKER with the reason printed. */
enum ctl_exit ctl_connect(struct ctl *ctl);

#endif
