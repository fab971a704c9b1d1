/*
 * step - the only place where a worker changes its state: what policy/worker_fsm.h asks for is done
 * here; and what holds a worker that is well: a person, a stopped process, a debugger.
 */
#pragma once

#include "worker/types.h"

/* worker::deadline and ::settle lead to events. */
void worker_deadline_expired(struct loop_timer *timer);
void worker_settle_expired(struct loop_timer *timer);

/* Performs what the state machine asks for. @w stays valid: the service frees it a turn later. */
void worker_event(struct worker *w, enum worker_event ev);

/* What its state and what holds it let it have. */
enum taker_gate worker_gate(const struct worker *w);

/* Asks @w to leave, with or without a drain, as @how says: its end is then no failure. */
void worker_retire(struct worker *w, enum worker_event how);

/* @w drains, and had stayed in the round as its service left. What waits in it goes to others. */
void worker_leave_round(struct worker *w, const char *reason);

/* @w has said that it wants no more: it drains, and is replaced as one that has ended by itself. */
void worker_leave(struct worker *w);

/*
 * Takes the worker out of the round for the reason @by, and ends that reason. Its waiting
 * connections go to others; it keeps serving those that it has. A worker that does not listen yet
 * is held as soon as it does.
 */
void worker_hold(struct worker *w, enum worker_hold by);
void worker_unhold(struct worker *w, enum worker_hold by);

/* SIGCHLD told of a child that was stopped or continued. */
void worker_note_stopped(struct worker *w, bool stopped);

/* Somebody looks at it anyway: if it is stopped it is held at once. */
void worker_look_if_stopped(struct worker *w);
