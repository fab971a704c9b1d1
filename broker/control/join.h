/*
 * join - the command that worker-shim --join sends: its process becomes a guest.
 */
#ifndef BROKER_CONTROL_JOIN_H
#define BROKER_CONTROL_JOIN_H

struct client;

void control_join(struct client *c);

#endif
