/*
 * help_text - what `help` and `--help` say, out of the table of commands. Pure.
 */
#pragma once

#include "policy/command.h"
#include "ctl/text.h"

void help_text(const struct screen *screen, struct buf *out); /* all commands */
void help_command_text(const struct command *c, const struct screen *screen, struct buf *out);
