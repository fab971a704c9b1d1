/*
 * asked - what an app has said of its listening socket before it called listen(2), as far as it
 * decides which clients reach it, or when: the broker's listener must be the same.
 *
 * All zero: it has said nothing.
 */
#pragma once

#include <string.h>
#include "base/util.h"

#define ASKED_DEVICE_SIZE 16 /* IFNAMSIZ */

enum asked_option {
	ASKED_MIN_TTL,
	ASKED_MIN_HOPS,
	ASKED_TRANSPARENT,
	ASKED_MARK,
	ASKED_INCOMING_CPU,
	ASKED_DEFER_ACCEPT,
	ASKED_FASTOPEN,
	ASKED_N
};

struct asked {
	char device[ASKED_DEVICE_SIZE]; /* clients of this one alone; "": of all */
	int values[ASKED_N];		/* how far each is from what a new socket has */
	bool elsewhere; /* its socket is in another network namespace: clients of this one alone */
};

static inline bool asked_equal(const struct asked *a, const struct asked *b)
{
	return !strcmp(a->device, b->device) && !memcmp(a->values, b->values, sizeof(a->values)) &&
	       a->elsewhere == b->elsewhere;
}

/* What @more sets replaces what @asked has; what it leaves alone stays. */
static inline void asked_add(struct asked *asked, const struct asked *more)
{
	if (*more->device)
		memcpy(asked->device, more->device, sizeof(asked->device));
	for (size_t i = 0; i < ASKED_N; i++)
		if (more->values[i])
			asked->values[i] = more->values[i];
}
