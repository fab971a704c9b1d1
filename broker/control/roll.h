/*
 * roll - the commands that replace workers and report every step to the client: reload, restart.
 */
#pragma once

#include <stddef.h>

struct client;
struct service;
struct worker;

void control_reload(struct client *c, struct service *only); /* NULL: all */
void control_start_service(struct client *c, struct service *s);
/* Goes on with what roll.c has kept. 0; -ENOMEM, -EPROTO. */
int roll_resume(struct client *c, const char *text, size_t size);
void control_restart(struct client *c, struct worker *w);
