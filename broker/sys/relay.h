/*
 * relay - a process of the broker's own, through which go the connections of workers that drain:
 *
 *	client ==real== relay ==pair== app of the old worker
 *
 * The old worker gives it both (HANDOFF_OFFER), over a socket that is called a seat. It passes
 * bytes on until policy/relay.h says that the connection may go to another worker; then it gives
 * that to the broker. It has no buffers: bytes stay in one socket until the other has taken them.
 * So a side that is slow makes the other one wait, and what moves is as the client has sent it.
 *
 * One such process is enough for all workers. Of a channel without an open seat, no connection
 * moves any more. When there is no seat and no connection, it says so, and ends if the broker
 * closes its socket then: another seat may be on its way.
 */
#pragma once

#include "config/types.h"
#include "handoff_wire.h"
#include "policy/pins.h"

#define RELAY_OPTION "--relay" /* of `broker`, and the number of an enum conf_seccomp */
#define RELAY_FD     1	       /* its socket to the broker, SOCK_SEQPACKET */

#define RELAY_STAYS_MAX 8

/* To it, with a descriptor: another seat. */
struct relay_seat_message {
	uint64_t channel;	  /* that it is of */
	int64_t end_idle_ms;	  /* what is idle after that is closed; -1: nothing is */
	struct handoff_move move; /* only connections that this is for */
	unsigned n_stays;
	struct kept_pin stays[RELAY_STAYS_MAX]; /* whose clients stay */
};

enum relay_says {
	RELAY_SAYS_HAS,	  /* a connection more or fewer */
	RELAY_SAYS_MOVED, /* with a descriptor: to another worker than that of channel .n */
	RELAY_SAYS_IDLE,  /* one of channel .n was idle, and is closed */
	RELAY_SAYS_DONE,  /* it has nothing to do any more, and has had .n seats */
};

/* From it. */
struct relay_moved_message {
	uint64_t n;
	enum relay_says what;
	unsigned n_conns; /* that go through it */
};

/* That process, which may make the calls of the broker alone, by @seccomp. Its exit status. */
int relay_run(enum conf_seccomp seccomp);
