/*
 * config - the command config: the configuration that is in force, where each value comes from, and
 * what the file says now.
 */
#pragma once

struct client;

void control_config(struct client *c);
