/*
 * idle - whether a TCP connection is between two requests, by what the kernel knows of it.
 *
 * It is when nothing is unread or unacknowledged, the app owes no answer, and nothing was sent for
 * a while. The times of the kernel have the grain of a jiffy, in which many an app answers. So what
 * has changed from one sample to the next counts, too.
 */
#pragma once

#include "base/util.h"

/* One connection now: tcp(7), struct tcp_info. All counters are since it began. */
struct idle_sample {
	uint64_t received, written;    /* bytes: that came in order; that the app has written */
	uint32_t requests;	       /* segments with data that came */
	uint32_t acks;		       /* segments without data that we sent */
	uint32_t unread, unacked;      /* bytes in the socket */
	uint32_t received_ms, sent_ms; /* since data came last; since some was sent last */
	uint32_t acked_ms; /* since an acknowledgement came last, with data or without */
};

/* What the samples so far have shown. All zero at first. */
struct idle_track {
	struct idle_sample last;
	uint32_t acks; /* before the exchange of which it is unknown who spoke last */
	bool answered; /* the app did: it owes nothing */
	bool seen;     /* .last is one */
};

/* One more sample of the connection of @t: is it idle, and has been for @quiet_ms? */
bool idle_now(struct idle_track *t, const struct idle_sample *s, uint32_t quiet_ms);

/*
 * How long a connection has to be quiet to count as idle, @since_ms after the first was asked for,
 * @left_ms before all are cut. At first long, for the sake of answers that come in parts with
 * pauses; then ever shorter, so that a busy connection has its moment, too.
 */
uint32_t idle_quiet_ms(int64_t since_ms, int64_t left_ms);
