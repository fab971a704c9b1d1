/*
 * stream - one connected peer that we answer: bounded input, output as fast as the peer reads
 * it, and never a wait.
 *
 * The cost is bounded: in_max limits the input buffer, out_max the output buffer, and a turn of
 * the loop does one read and one write. While output waits, no input is read, so a peer that
 * sends without reading stops itself. A peer that takes nothing for stall_ms is dropped.
 *
 * Owns:   descriptor and buffers. It is embedded in its owner. .closed reports its end to the
 *         owner, once, from the loop, so no function here frees anything under its caller.
 */
#pragma once

#include "base/strbuf.h"
#include "sys/loop.h"

struct stream {
	struct loop *loop;
	struct loop_source source;
	struct loop_timer timer;
	int fd;		   /* owned; -1: over */
	struct strbuf in;  /* received; the owner consumes it */
	struct strbuf out; /* goes out by itself after stream_flush() */
	bool eof;	   /* the peer sends nothing more */
	bool finishing;	   /* set by the owner: it is closed as soon as .out is written */

	int64_t stall_ms;    /* set by the owner: time without progress of the output */
	int64_t stall_at_ms; /* 0: no output waits */
	int64_t limit_at_ms; /* 0: none; see stream_limit() */

	/* .in has grown, or .eof is set now. Called again only when there is more news. */
	void (*received)(struct stream *s);
	/* All output is written. May be NULL. */
	void (*drained)(struct stream *s);
	/* The end: the descriptor is closed, the owner may free itself. */
	void (*closed)(struct stream *s);
};

#define STREAM_STALL_MS 5000

/*
 * Begins: @s is all zero but for its callbacks. @fd is non-blocking, and the stream's from
 * now on; on failure (-errno) it stays the caller's, and .closed is not called.
 */
int stream_open(struct stream *s, struct loop *loop, int fd, size_t in_max, size_t out_max);

/* Sends what is in .out. If that has failed, the stream is closed: half an answer is none. */
void stream_flush(struct stream *s);

void stream_close(struct stream *s); /* closes now; .closed comes with the next turn */

/* Closed when @ms from now are over, whatever happens; 0: no limit. */
void stream_limit(struct stream *s, int64_t ms);

/* At the end of the broker: closes at once, without calling .closed. */
void stream_deinit(struct stream *s);

static inline bool stream_is_open(const struct stream *s)
{
	return s->fd >= 0;
}

/*
 * acceptor - takes the connections of one of the broker's own listening sockets: control, metrics,
 * rendezvous. Not of those that are passed on; see listener.h.
 *
 * While descriptors or memory are short the socket is not watched, and looked at again after a
 * while: a connection that cannot be taken would otherwise wake the loop without end.
 */

/* All zero: not started. */
struct acceptor {
	struct loop *loop;
	struct loop_source source;
	struct loop_timer retry;
	unsigned batch;
	void (*accepted)(struct acceptor *a, int fd);
};

/*
 * Begins with the listening, non-blocking @fd, which stays the caller's. In one turn of the loop at
 * most @batch connections are taken. @accepted gets each, close-on-exec and non-blocking: it is the
 * callee's. 0 or -errno.
 */
int acceptor_start(struct acceptor *a, struct loop *loop, int fd, unsigned batch,
		   void (*accepted)(struct acceptor *a, int fd));

/* Takes nothing for the next @ms. */
void acceptor_rest(struct acceptor *a, int64_t ms);

/* Goes over to the listening @fd, as above, once what waits at the old socket is accepted. */
int acceptor_move(struct acceptor *a, int fd);

/* Before @fd is closed. Not started: nothing happens. */
void acceptor_stop(struct acceptor *a);
