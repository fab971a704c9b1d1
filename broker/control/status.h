/*
 * status - the command status.
 */
#pragma once

struct client;

void control_status(struct client *c);
