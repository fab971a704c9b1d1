/*
 * roll - the commands that replace workers and report every step to the client: reload, restart.
 */
#ifndef BROKER_CONTROL_ROLL_H
#define BROKER_CONTROL_ROLL_H

struct client;

void control_reload(struct client *c);
void control_restart(struct client *c);

#endif
