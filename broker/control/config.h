/*
 * config - the command config: the configuration that is in force, where each value comes from, and
 * what the file says now.
 */
#ifndef BROKER_CONTROL_CONFIG_H
#define BROKER_CONTROL_CONFIG_H

struct client;

void control_config(struct client *c);

#endif
