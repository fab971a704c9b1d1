/*
 * help - the command help: the commands that the broker knows.
 */
#pragma once

struct client;

void control_help(struct client *c);
