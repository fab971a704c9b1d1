/*
 * recycle - why a worker is replaced, and when one that does its work has lived long enough.
 *
 * Each limit has jitter: a worker gets between 90 % and all of it, by its id. So workers that were
 * started together do not all come due together. A limit of 0 is none.
 *
 * Owns:   the rule. Never: counts, reads a clock.
 */
#pragma once

#include "base/util.h"

struct recycle_limits {
	uint64_t connections;
	uint64_t memory; /* bytes, of all processes of a worker */
	int64_t age_ms;
};

enum recycle_reason {
	RECYCLE_NOT,
	RECYCLE_STALLED,
	RECYCLE_UNHEALTHY,
	RECYCLE_TIME,
	RECYCLE_CONNECTIONS,
	RECYCLE_MEMORY,
	RECYCLE_AGE,
};

/* Whether a worker that has come so far is due, and why. @id: the worker's. */
enum recycle_reason recycle_due(const struct recycle_limits *limits,
				const struct recycle_limits *so_far, uint64_t id);
