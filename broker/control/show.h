/*
 * show - the commands that change nothing: what the broker does, what has happened and, with
 * --follow, what happens from now on, and the configuration in force.
 */
#pragma once

#include <stdint.h>

struct client;

void control_status(struct client *c);
int events_resume(struct client *c, uint64_t next); /* from that id on. 0 or -ENOMEM */
void control_events(struct client *c);
void control_config(struct client *c);
void control_pins(struct client *c);
