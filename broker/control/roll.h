/*
 * roll - the commands that replace workers and report every step to the client: reload, restart.
 */
#pragma once

struct client;
struct service;
struct worker;

void control_reload(struct client *c, struct service *only); /* NULL: all */
void control_start_service(struct client *c, struct service *s);
void control_restart(struct client *c, struct worker *w);
