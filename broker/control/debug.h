/*
 * debug - the command debug: a worker is held for as long as the connection of the client lasts.
 */
#ifndef BROKER_CONTROL_DEBUG_H
#define BROKER_CONTROL_DEBUG_H

struct client;
struct worker;

void control_debug(struct client *c, struct worker *w);

#endif
