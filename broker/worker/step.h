/*
 * step - the only place where a worker changes its state: what policy/worker_fsm.h asks for is done
 * here.
 */
#pragma once

#include "worker/types.h"

/* worker::deadline and ::settle lead to events. */
void worker_deadline_expired(struct loop_timer *timer);
void worker_settle_expired(struct loop_timer *timer);

/*
 * Steps the state machine and performs its actions. @w stays valid: the service frees a DEAD
 * worker in the next turn of the loop.
 */
void worker_event(struct worker *w, enum worker_event ev);

/* Asks @w to leave, with or without a drain, as @how says: its end is then no failure. */
void worker_retire(struct worker *w, enum worker_event how);

/* @w has said that it wants no more: it drains, and is replaced as one that has ended by itself. */
void worker_leave(struct worker *w);
