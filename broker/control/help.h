/*
 * help - the command help: the commands that the broker knows.
 */
#ifndef BROKER_CONTROL_HELP_H
#define BROKER_CONTROL_HELP_H

struct client;

void control_help(struct client *c);

#endif
