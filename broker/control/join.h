/*
 * join - the command that worker-shim --join sends: its process becomes a guest.
 */
#pragma once

struct client;
struct service;

void control_join(struct client *c, struct service *s);
