/*
 * event_ring - the latest events, bounded in number and bytes.
 *
 * An event has an id that rises by one. The oldest makes room for the newest, except that the
 * last ones of each kind stay: a flood of one kind pushes out only its own. Of a kind are events
 * with the same word about the same worker or service. A reader that asks for an id that is gone
 * is told how many it missed by the id it gets instead.
 */
#pragma once

#include "base/util.h"
#include "handoff_wire.h"

#define EVENT_RING_MAX	 1000
#define EVENT_RING_BYTES (1 << 20)
#define EVENT_RING_KEPT	 8 /* of each kind, while there is room for so many */

#define EVENT_NAME_SIZE (HANDOFF_SERVICE_SIZE + 24)

struct event {
	uint64_t id;
	int64_t at_ms;		    /* monotonic */
	char name[EVENT_NAME_SIZE]; /* of a worker or a service; empty: of the broker */
	size_t len;
	char text[]; /* not terminated */
};

struct event_ring {
	struct event_slot {
		struct event *event; /* owned */
		uint32_t kind;
		uint32_t newer;	 /* events of its kind behind it */
	} slots[EVENT_RING_MAX]; /* the oldest first */
	size_t n;
	uint64_t next; /* id */
	size_t bytes;
};

void event_ring_init(struct event_ring *r);
void event_ring_deinit(struct event_ring *r);

/* @word: what happened. @name: of whom, or NULL. Without memory it is lost, and its id a gap. */
void event_ring_add(struct event_ring *r, int64_t at_ms, const char *word, const char *name,
		    const char *text, size_t len);

/* The next one of another ring, with all that stands in its slot. False: no room, or no memory. */
bool event_ring_restore(struct event_ring *r, const struct event_slot *slot,
			const struct event *event);

/* The first event with at least @id, or NULL. */
const struct event *event_ring_from(const struct event_ring *r, uint64_t id);

/* Id of the first event at @at_ms or later; the next id if there is none. */
uint64_t event_ring_since(const struct event_ring *r, int64_t at_ms);
