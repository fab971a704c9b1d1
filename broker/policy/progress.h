/*
 * progress - what a rollout waits for, in words.
 *
 *	web.1 to listen (2 s, 28 s left)
 *	web.1 to take a connection (1 s)
 *	web.0 to end (draining, 3 connections open, 57 s left)
 *	web.0 to end (told to, 8 s left), web.1 to listen (0 s, 30 s left), 14 more
 *	web.0 to end (draining, 0 connections open, debugged by gdb 4711: no deadline runs)
 */
#pragma once

#include "base/strbuf.h"
#include "policy/worker_fsm.h"

/* If there are more than these, the text has only their number. */
#define PROGRESS_SHOWN 3

struct progress {
	struct strbuf *out;
	unsigned n; /* added so far */
};

struct progress_wait {
	const char *worker; /* its name */
	enum worker_state state;
	int64_t for_ms;	 /* it has been in it */
	int64_t left_ms; /* until its time is up; below 0: no limit */
	unsigned open;	 /* connections it has, with DRAINING */
	bool debugged;	 /* by a person: its time stands still */
	int tracer;	 /* pid; 0: none is known */
	const char *tracer_name;
};

/* Whether one more would be named, and not only counted: else only .worker of it matters. */
static inline bool progress_has_room(const struct progress *p)
{
	return p->n < PROGRESS_SHOWN;
}

/* Adds a worker that the rollout waits for. */
void progress_add(struct progress *p, const struct progress_wait *wait);

/* After the last. */
void progress_finish(struct progress *p);
