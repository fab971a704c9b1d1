/*
 * clock - the deadline of a worker's state, which stands still while somebody debugs the worker.
 */
#pragma once

#include "worker/types.h"

/* Starts the deadline of the state that was just entered. A guest has none. */
void worker_arm(struct worker *w);

/* The deadline of its state runs on, by the settings that are in force now. */
void worker_rearm(struct worker *w);

/* Milliseconds until it passes; -1: none runs. */
int64_t worker_deadline_left(const struct worker *w);

/* For how long from now a worker that has drained is kept for a rollback; 0: it is not. */
int64_t worker_parks_for(const struct worker *w);

/* Sends stop_signal, now or as soon as its debugger detaches. */
void worker_signal_unless_debugged(struct worker *w);

/*
 * The deadline has come. True if it is really over; else it runs again: the worker is debugged,
 * gets its time back after that, or is parked for longer.
 */
bool worker_time_is_up(struct worker *w);
