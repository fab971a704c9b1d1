/*
 * undo - the commands that undo a reload: abort while it is under way, rollback after it.
 */
#pragma once

struct client;
struct service;

/* Of service @only; NULL: of all. */
void control_reload_abort(struct client *c, struct service *only);
void control_rollback(struct client *c, struct service *only);
