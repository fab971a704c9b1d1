/*
 * completion_parts - what the completions of all shells are made of. Pure.
 */
#ifndef BROKER_CTL_COMPLETION_PARTS_H
#define BROKER_CTL_COMPLETION_PARTS_H

#include "base/buf.h"
#include "policy/command.h"

/* What the scripts call a kind of argument: the word that they ask for its values with. */
const char *completion_kind_name(enum command_kind kind);

/* The first words of all commands, with blanks between them. */
void completion_add_commands(struct buf *out);

/* The whole script for fish, of completion_fish.c. */
void completion_add_fish(struct buf *out);

#endif
