/*
 * ledger - where every accepted connection has gone. At any time
 *
 *	accepted = (sent - taken_back) + client_gone + refused + those that wait in the broker
 *	sent - taken_back = taken by workers + those that wait in channels
 */
#pragma once

#include <stdint.h>

struct ledger {
	uint64_t accepted;
	uint64_t sent;	      /* messages put into channels */
	uint64_t taken_back;  /* messages received back from them */
	uint64_t client_gone; /* found dead while the broker held them */
	uint64_t refused;     /* closed by the broker: shutdown without a worker, no memory */
	uint64_t no_memory;   /* of the refused, those for the latter */
};

static inline void ledger_add(struct ledger *to, const struct ledger *from)
{
	to->accepted += from->accepted;
	to->sent += from->sent;
	to->taken_back += from->taken_back;
	to->client_gone += from->client_gone;
	to->refused += from->refused;
	to->no_memory += from->no_memory;
}
