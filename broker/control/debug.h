/*
 * debug - the command debug: a worker is held for as long as the connection of the client lasts.
 */
#pragma once

struct client;
struct worker;

void control_debug(struct client *c, struct worker *w);
