/*
 * survey - what the kernel knows of every worker, asked on demand: open connections, memory,
 * processor time, tracers.
 *
 * With a thousand workers, or 100,000 connections, that takes a while, so it is done in slices
 * with a rest after each, in which the loop goes on accepting. All waiters share one survey, and
 * what is fresh enough is not asked again.
 */
#pragma once

#include "service/types.h"
#include "sys/tree.h"

/* Waits for a survey. Embedded in its owner, which gives up with list_remove(&w->link). */
struct survey_waiter {
	struct list link;
	void (*done)(struct survey_waiter *w); /* the findings are in worker::found */
};

struct survey {
	struct broker *broker;
	struct list waiters; /* survey_waiter::link */
	struct loop_timer step;
	unsigned round;	 /* of the latest that began; a worker has the round it was seen in */
	int64_t done_ms; /* when that ended; 0: it has not */
	bool running;
	struct sockdiag_walk walk; /* through the connections of all services */
	bool counted;		   /* ... which is complete */
	struct tree_walk tree;	   /* through a worker ... */
	uint64_t worker;	   /* ... with this id; 0: none */
};

/* Of no ports yet. */
#define SURVEY_WALK SOCKDIAG_WALK(.states = SOCKDIAG_OPEN, .low = UINT16_MAX)

/* Widens the ports of @w, so that it finds the connections of @s that some process still has. */
void survey_add_ports(const struct service *s, struct sockdiag_walk *w);

void survey_init(struct survey *s, struct broker *b);
void survey_deinit(struct survey *s);

/* Looks at one worker at once: what is known of it is of this moment. */
void survey_look(struct survey *s, struct worker *w);

/* @w->done is called from the loop as soon as findings of the last 100 ms are there. */
void survey_want(struct survey *s, struct survey_waiter *w);
