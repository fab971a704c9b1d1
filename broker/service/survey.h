/*
 * survey - what the kernel knows of every worker, asked on demand: open connections, memory,
 * processor time, tracers.
 *
 * With a thousand workers, or 100,000 connections, that takes a while, so it is done in slices
 * with a rest after each, in which the loop goes on accepting. All waiters share one survey, and
 * what is fresh enough is not asked again.
 *
 * And evidence: the connections of those that drain, to see when they have none left, and of those
 * that are balanced by their number. The next client must not wait for that, so it is sliced as
 * well, and comes late if there is much of it (policy/pace.h).
 */
#pragma once

#include "service/types.h"

/* Waits for a survey. Embedded in its owner, which gives up with list_remove(&w->link). */
struct survey_waiter {
	struct list link;
	void (*done)(struct survey_waiter *w); /* the findings are in worker::found */
};

struct survey {
	struct broker *broker;
	struct list waiters; /* survey_waiter::link */
	unsigned round;	     /* of the latest that began; a worker has the round it was seen in */
	int64_t done_ms;     /* when that ended; 0: it has not */
	bool running;
	struct evidence look; /* through the connections of all services, and the workers */
};

void survey_init(struct survey *s, struct broker *b);
void survey_deinit(struct survey *s);

/* Looks at one worker at once: what is known of it is of this moment. */
void survey_look(struct survey *s, struct worker *w);

/* @w->done is called from the loop as soon as findings of the last 100 ms are there. */
void survey_want(struct survey *s, struct survey_waiter *w);

/* Called by the watch. Returns whether the connections of some worker are of interest. */
bool evidence_want(struct broker *b);

void evidence_expired(struct loop_timer *timer); /* evidence::step */
