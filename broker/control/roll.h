/*
 * roll - the commands that replace workers and report every step to the client: reload, restart.
 */
#ifndef BROKER_CONTROL_ROLL_H
#define BROKER_CONTROL_ROLL_H

struct client;
struct service;
struct worker;

void control_reload(struct client *c, struct service *only); /* NULL: all */
void control_restart(struct client *c, struct worker *w);

#endif
