/*
 * help - help from the table of commands, without a broker.
 */
#pragma once

#include "ctl/ctl.h"

/* The help of @c, or of all commands if it is NULL. */
void help_print(const struct command *c);

enum ctl_exit ctl_help(struct ctl *ctl);
