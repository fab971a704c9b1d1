/*
 * hold - workers that are out of the round although they are well: held by hand, stopped, debugged.
 */
#pragma once

#include "worker/types.h"

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
