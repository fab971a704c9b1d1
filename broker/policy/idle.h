/*
 * idle - whether a TCP connection is between two requests, by what the kernel knows of it.
 *
 * A connection is idle when nothing is unread, unsent or unacknowledged, and the last to speak was
 * the app: it has answered all that was asked. The times of TCP_INFO have the grain of a jiffy, so
 * the byte counters of two samples decide where they can.
 *
 * Owns:   the rule. Never: asks the kernel.
 */
#pragma once

#include "base/util.h"

/* One connection, now: tcp(7), struct tcp_info; ioctl_list(2), SIOCINQ and SIOCOUTQ. */
struct idle_sample {
	uint64_t received, sent;  /* bytes since the connection began */
	uint32_t unread, unsent;  /* bytes in the socket */
	uint32_t unacked;	  /* segments */
	uint32_t sent_ms_ago;	  /* when the app last sent something */
	uint32_t received_ms_ago; /* when the client last did */
};

/* What the samples so far have shown. All zero at first. */
struct idle_track {
	uint64_t received, sent;
	bool answered; /* the last to speak was the app */
};

/*
 * One more sample. Whether the connection is idle now and has been for @quiet_ms. One on which
 * nothing was ever asked or answered is not: its first request may be on its way.
 */
bool idle_now(struct idle_track *t, const struct idle_sample *s, uint32_t quiet_ms);
