/*
 * taker - all channels of one worker at once: into the round and out of it, and the sums over them.
 */
#pragma once

#include "dispatch/types.h"

/* @t->dispatch is set. The gate is shut until its owner opens it. */
void taker_init(struct taker *t);
void taker_deinit(struct taker *t); /* closes its channels */

static inline void taker_set_gate(struct taker *t, enum taker_gate gate)
{
	t->dispatch->taker_changes += gate != t->gate;
	t->gate = gate;
}

/* Into the round with those of its channels that are not in it, as far as the gate lets them. */
void taker_publish(struct taker *t);
void taker_withdraw(struct taker *t);

/* Whether its app listens on @port, at whatever address; on what @e is for. */
bool taker_listens_on(const struct taker *t, uint32_t app);
bool taker_serves(const struct taker *t, const struct endpoint *e);

struct channel *taker_find_channel(struct taker *t, uint64_t id);

uint64_t taker_taken(const struct taker *t);   /* connections it has taken so far */
unsigned taker_waiting(const struct taker *t); /* in its channels now */

/* Since when one of its channels takes nothing, though some wait; 0: all do. */
static inline int64_t taker_stalled_since(const struct taker *t)
{
	int64_t since = 0;

	list_for_each (const struct channel, c, &t->channels, link)
		if (c->stalled_since_ms && (!since || c->stalled_since_ms < since))
			since = c->stalled_since_ms;
	return since;
}

/*
 * It drains: an app that polled, and then calls a *blocking* accept, may wait for a connection that
 * was taken back since. While it serves, the next one frees it. Now none comes, and the clients
 * that it has would wait with it: so it is nudged.
 */
void taker_nudge(struct taker *t);
