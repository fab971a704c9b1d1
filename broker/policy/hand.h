/*
 * hand - what is true between two states of the broker (kept.h), in a page that outlives it: the
 * path of a connection writes no state.
 */
#pragma once

#include "base/util.h"

struct kept_hand {
	int32_t fd;	     /* a connection that is being sent; -1: none is */
	uint64_t channel;    /* ... into the one of this id */
	uint64_t number;     /* once it was sent: message .. of it, as handoff_page::closed */
	uint64_t given;	     /* the broker was killed when it had closed .fd: then .number; or 0 */
	uint64_t crashed_ns; /* when the broker ended without having been told to; 0: it has not */
	uint64_t crashes_ns[3]; /* the last of these times, in turn */
	uint64_t n_crashes;
	uint64_t cpu_ns, cpu_before_ns; /* of this broker, and of those that were killed */
	uint64_t asked;	  /* a client may have been heard since the last state, or answered */
	uint64_t doubts;  /* connections of which it cannot be known whether a worker has them */
	uint64_t retired; /* some descriptors may be only numbers that are kept: sys/retire.h */
	uint64_t written; /* to .fd before it was sent: some worker has had it, and it has moved */
};
