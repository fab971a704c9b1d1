/*
 * relay - what to do with the bytes of one connection whose worker drains, while they go through
 * the relay (sys/relay.h), and when the connection itself may go to another worker: between two
 * requests, and only if that is certain.
 *
 *	client ==real== relay ==pair== app of the old worker
 *
 * Certain is what is counted (framing.h): the last request and the answer to it have passed here,
 * whole, and what the client has sent since is the beginning of the next request, which nobody has
 * read. When the relay gets a connection it knows nothing of it. So the first request that it sees
 * begin, while the app seems to owe nothing, still goes to the old app, and is what it counts from.
 * A connection of which the app has read nothing yet needs none of that.
 *
 * Whatever else is seen makes a connection one that stays.
 *
 * Pure. The bytes stay in the kernel until the other side has taken them: so none is lost, doubled
 * or passed by another.
 */
#pragma once

#include "policy/framing.h"
#include "policy/idle.h"

enum relay_state {
	RELAY_STAYS,	/* for ever */
	RELAY_BETWEEN,	/* two requests: nothing is under way */
	RELAY_QUIET,	/* the same, as far as one can see from here: the app has spoken last */
	RELAY_OWES,	/* the app owes an answer, of which nothing has come */
	RELAY_UNDERWAY, /* a request, or the answer to it */
	RELAY_STATE_N
};

/* What was seen: @c_ the client has sent, as nobody has read it yet; @a_ what the app has. */
enum relay_event {
	RELAY_C_REQUEST, /* the whole head of one that may go to another worker, and no second one
			  */
	RELAY_C_BOUND,	 /* ... of one that may not, or of more than one */
	RELAY_C_PART,	 /* the beginning of a head */
	RELAY_C_OTHER,
	RELAY_A_SOME,  /* bytes of an answer, or that nobody has asked for: not the end of one */
	RELAY_A_WHOLE, /* the end of the answer to the request, of which all has passed */
	RELAY_A_OTHER, /* no answer, or more than one */
	RELAY_EVENT_N
};

enum relay_what {
	RELAY_PASS, /* on to the other side */
	RELAY_WAIT, /* until more has come: what is there says too little */
	RELAY_MOVE, /* the connection, with these bytes unread */
};

struct relay_edge {
	enum relay_what what;
	enum relay_state next; /* once these bytes have been passed on */
};
extern const struct relay_edge relay_edges[RELAY_STATE_N][RELAY_EVENT_N];

struct relay_conn {
	enum relay_state state;
	struct framing request, answer; /* in UNDERWAY */
};

/* @now: what the kernel says of it when the relay gets it; NULL: that one side is closed. */
void relay_begin(struct relay_conn *c, const struct idle_sample *now);

struct relay_verdict {
	enum relay_what what;
	size_t n; /* that this is said of, above 0 */
};

/*
 * @n bytes, at least one, have come from the client and are unread: what is to be done with the
 * first of them. They may always be passed on instead, as long as relay_passed() is told.
 */
struct relay_verdict relay_ask(const struct relay_conn *c, const char *bytes, size_t n);

/* The first @n bytes, of those that relay_ask() has seen, were passed to the app. */
void relay_passed(struct relay_conn *c, const char *bytes, size_t n);

/* @n bytes were passed to the client. */
void relay_answered(struct relay_conn *c, const char *bytes, size_t n);

/* One side has said that it sends no more. */
void relay_half_closed(struct relay_conn *c);
