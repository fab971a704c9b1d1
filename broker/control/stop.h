/*
 * stop - the command that ends a service or the broker; a client may wait for the end of the
 * latter.
 */
#pragma once

struct client;
struct service;

void control_end(struct client *c, struct service *s); /* NULL: the broker */
