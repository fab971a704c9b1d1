/*
 * events - the latest log entries, kept for later queries and sent to clients that follow.
 */
#pragma once

#include "base/strbuf.h"
#include "policy/event_ring.h"
#include "sys/loop.h"

struct events {
	struct loop *loop;
	struct event_ring ring;
	struct list followers;	    /* event_follower::link */
	struct loop_timer delivery; /* to the followers, in the next turn of the loop */
};

/* On events::followers it is called from the loop whenever there are new events. */
struct event_follower {
	struct list link;
	void (*added)(struct event_follower *f); /* may remove any follower */
};

/* From now on every entry of the log becomes an event, in the form that docs/control.md names. */
void events_init(struct events *e, struct loop *loop);
/* The ring as records, for another program; and one of its, in order, before the first entry. */
void events_keep(const struct events *e, struct strbuf *out);
int events_adopt(struct events *e, const void *record, size_t size); /* 0 or -EPROTO */
void events_deinit(struct events *e);
