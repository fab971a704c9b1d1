/*
 * pending - the connections that wait in the broker itself: taken back, or accepted ahead.
 */
#pragma once

#include "dispatch/types.h"

/*
 * Puts a connection into the line of those that wait here, by the order of acceptance; owns @fd.
 * @ahead: it was accepted only to see whether it is pinned. Without memory it is refused.
 */
void pending_add(struct endpoint *e, const struct handoff_conn *conn, int fd, bool ahead);

/* Takes it out of the line, and closes what it still has. */
void pending_free(struct endpoint *e, struct pending_conn *p);

/* Its client is. */
bool pending_is_gone(const struct pending_conn *p);

/* They wait for @to from now on, in the order of acceptance. */
void pending_move_all(struct endpoint *e, struct endpoint *to);

/* Lets go of everything that is pending: there is nobody left to serve it. */
void pending_refuse_all(struct endpoint *e);
