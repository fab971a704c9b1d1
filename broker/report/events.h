/*
 * events - the latest log entries, kept for later queries and sent to clients that follow.
 */
#pragma once

#include "base/list.h"
#include "policy/event_ring.h"
#include "sys/loop.h"

struct events {
	struct loop *loop;
	struct event_ring ring;
	struct list followers;	    /* event_follower::link */
	struct loop_timer delivery; /* to the followers, in the next turn of the loop */
};

/* Embedded in its owner. */
struct event_follower {
	struct list link;
	void (*added)(struct event_follower *f); /* may remove any follower */
};

/* From now on every entry of the log becomes an event, in the form that docs/control.md names. */
void events_init(struct events *e, struct loop *loop);
void events_deinit(struct events *e);

/* Called from the loop whenever there are new events, until list_remove(&@f->link). */
void events_follow(struct events *e, struct event_follower *f);
