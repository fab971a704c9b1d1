/*
 * pins - the commands that lead connections past the round: pin, next, unpin, pins.
 */
#pragma once

struct client;
struct worker;

void control_pin(struct client *c, struct worker *w);
void control_next(struct client *c, struct worker *w);
void control_unpin(struct client *c);
void control_pins(struct client *c);
