/*
 * hold - the commands that take a worker out of the round and let it in again: hold, release.
 */
#ifndef BROKER_CONTROL_HOLD_H
#define BROKER_CONTROL_HOLD_H

struct client;
struct worker;

void control_hold(struct client *c);
void control_release(struct client *c);

/*
 * The worker that the request names. NULL: there is none, or it gets no connections anyway, so that
 * there is nothing to @what; the client has been told.
 */
struct worker *hold_find_worker(struct client *c, const char *what);

/* Ends the answer, with a warning if @w was the last worker in the round. */
void hold_end(struct client *c, const struct worker *w);

#endif
