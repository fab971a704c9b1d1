/*
 * undo - the commands that undo a reload: abort while it is under way, rollback after it.
 */
#ifndef BROKER_CONTROL_UNDO_H
#define BROKER_CONTROL_UNDO_H

struct client;
struct service;

/* Of service @only; NULL: of all. */
void control_reload_abort(struct client *c, struct service *only);
void control_rollback(struct client *c, struct service *only);

#endif
