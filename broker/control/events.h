/*
 * events - the command events: what has happened, and with --follow what happens from now on.
 */
#pragma once

struct client;

void control_events(struct client *c);
