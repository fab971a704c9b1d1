#include "relay.h"

#include <string.h>

#define PASS(state)                                                                                \
	{                                                                                          \
		RELAY_PASS, RELAY_##state                                                          \
	}

/* clang-format off */
/* What is not listed passes, and the connection stays: zero-initialised. */
const struct relay_edge relay_edges[RELAY_STATE_N][RELAY_EVENT_N] = {
	[RELAY_BETWEEN] = {
		[RELAY_C_REQUEST] = { RELAY_MOVE, RELAY_UNDERWAY },
		[RELAY_C_PART]	  = { RELAY_WAIT, RELAY_UNDERWAY },
	},
	/* Or the app has only asked for the rest of a request: 100 Continue, before we could see it. */
	[RELAY_QUIET] = {
		[RELAY_C_REQUEST] = PASS(UNDERWAY),
		[RELAY_C_PART]	  = { RELAY_WAIT, RELAY_UNDERWAY },
		[RELAY_C_OTHER]	  = PASS(OWES),
		[RELAY_A_SOME]	  = PASS(QUIET),
	},
	/* What the client sends is the rest of a request of which the beginning is not known. */
	[RELAY_OWES] = {
		[RELAY_C_REQUEST] = PASS(OWES),
		[RELAY_C_PART]	  = PASS(OWES),
		[RELAY_C_OTHER]	  = PASS(OWES),
		[RELAY_A_SOME]	  = PASS(QUIET),
	},
	/* A request before the answer to the last one is there: a client that sends several at once. */
	[RELAY_UNDERWAY] = {
		[RELAY_A_SOME]	  = PASS(UNDERWAY),
		[RELAY_A_WHOLE]	  = PASS(BETWEEN),
	},
};
/* clang-format on */

void relay_begin(struct relay_conn *c, const struct idle_sample *now)
{
	*c = (struct relay_conn){ .state = RELAY_OWES };
	if (!now)
		c->state = RELAY_STAYS;
	else if (now->received == now->unread && !now->written)
		c->state = RELAY_BETWEEN;
	else if (now->written && !now->unacked && now->sent_ms < now->received_ms)
		c->state = RELAY_QUIET;
}

/* --- from the client -------------------------------------------------------------------------- */

/*
 * What a new request begins with. Of one with Expect, the body is not on its way before the worker
 * that gets it asks for it.
 */
static enum relay_event look(const char *bytes, size_t n)
{
	struct framing f = { 0 };
	size_t own = framing_read(&f, bytes, n);

	if (f.part == FRAMING_BAD)
		return RELAY_C_OTHER;
	if (!framing_has_head(&f))
		return RELAY_C_PART;
	return f.bound || own < n ? RELAY_C_BOUND : RELAY_C_REQUEST;
}

static bool is_within_request(const struct relay_conn *c)
{
	return c->state == RELAY_UNDERWAY && !framing_ended(&c->request);
}

struct relay_verdict relay_ask(const struct relay_conn *c, const char *bytes, size_t n)
{
	struct framing f = c->request;

	/* What is behind it is looked at when this has passed. */
	if (is_within_request(c))
		return (struct relay_verdict){ RELAY_PASS, framing_read(&f, bytes, n) };
	return (struct relay_verdict){ relay_edges[c->state][look(bytes, n)].what, n };
}

/* It depends on this connection: a user who is known by it, another protocol. */
static bool is_unmovable(const struct framing *f)
{
	return f->part == FRAMING_BAD || (framing_has_head(f) && f->bound);
}

void relay_passed(struct relay_conn *c, const char *bytes, size_t n)
{
	if (!is_within_request(c)) {
		c->state = relay_edges[c->state][look(bytes, n)].next;
		c->request = (struct framing){ 0 };
		c->answer = (struct framing){ .answer = true };
	}
	if (c->state != RELAY_UNDERWAY)
		return;
	if (framing_read(&c->request, bytes, n) < n || is_unmovable(&c->request))
		c->state = RELAY_STAYS;
	c->answer.bare = c->request.head;
}

/* --- from the app ----------------------------------------------------------------------------- */

/* All that @bytes are of answers; those of 1xx go before the one that counts. */
static enum relay_event read_answer(struct relay_conn *c, const char *bytes, size_t n)
{
	struct framing *f = &c->answer;

	while (n > 0) {
		size_t own = framing_read(f, bytes, n);

		bytes += own;
		n -= own;
		if (f->part == FRAMING_ENDLESS || is_unmovable(f))
			return RELAY_A_OTHER;
		if (f->part == FRAMING_WHOLE && !f->interim)
			break;
		if (f->part == FRAMING_WHOLE)
			*f = (struct framing){ .answer = true, .bare = c->request.head };
	}
	if (n > 0)
		return RELAY_A_OTHER;
	if (f->part != FRAMING_WHOLE)
		return RELAY_A_SOME;
	/* An answer before the request was whole: who knows what the app makes of the rest. */
	return framing_ended(&c->request) ? RELAY_A_WHOLE : RELAY_A_OTHER;
}

void relay_answered(struct relay_conn *c, const char *bytes, size_t n)
{
	enum relay_event ev = RELAY_A_SOME;

	/* One of 1xx is not what it owes. */
	if (c->state == RELAY_OWES && n >= 10 && !memcmp(bytes, "HTTP/1.1 1", 10))
		return;
	if (c->state == RELAY_UNDERWAY)
		ev = read_answer(c, bytes, n);
	c->state = relay_edges[c->state][ev].next;
}

void relay_half_closed(struct relay_conn *c)
{
	c->state = RELAY_STAYS;
}
