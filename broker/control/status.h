/*
 * status - the command status.
 */
#ifndef BROKER_CONTROL_STATUS_H
#define BROKER_CONTROL_STATUS_H

struct client;

void control_status(struct client *c);

#endif
