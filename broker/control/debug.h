/*
 * debug - the command debug: a worker is held for as long as the connection of the client lasts.
 */
#pragma once

#include <stddef.h>

struct client;
struct worker;

/* Goes on with the session that debug.c has kept. 0 or -ENOMEM. */
int session_resume(struct client *c, const char *text, size_t size);
void control_debug(struct client *c, struct worker *w);
