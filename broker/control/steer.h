/*
 * steer - the commands that change something at once: scale, signal, stop.
 */
#pragma once

struct client;
struct service;
struct worker;

void control_scale(struct client *c, struct service *s);
void control_signal(struct client *c, struct worker *w);
void control_stop_broker(struct client *c);
