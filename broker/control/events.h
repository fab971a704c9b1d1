/*
 * events - the command events: what has happened, and with --follow what happens from now on.
 */
#ifndef BROKER_CONTROL_EVENTS_H
#define BROKER_CONTROL_EVENTS_H

struct client;

void control_events(struct client *c);

#endif
