/*
 * ends - what it means that a process of a worker has ended, or that its app does not listen any
 * more.
 */
#pragma once

#include "worker/types.h"

/* Of a new worker: its taker and the timer that looks for what is left of it. */
void worker_init_ends(struct worker *w);

/* Main was reaped with @status. */
void worker_main_exited(struct worker *w, int status);

/* A child that was not a main process has ended: if main is gone, what is left of @w? */
void worker_look_for_kin(struct worker *w);
