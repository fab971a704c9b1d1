/*
 * loop - epoll, timers and signals for one thread.
 *
 * Event sources and timers are embedded in their owners (container_of gives the owner
 * back), so watching something never allocates. A handler may remove and free any
 * source or timer, its own or another's: what is still queued for it is dropped.
 *
 * A turn that comes late (the broker was stopped, or had no processor) costs nobody a deadline:
 * all are put off by as much, and what has happened in the meantime is seen before they expire.
 *
 * It measures its own turns: one is what happens between two waits. While it lasts nobody else is
 * served, so nothing in it may block.
 *
 * Never: an accepted connection goes into the epoll set. The worker keeps the open file
 * description alive after the hand-off, so a registration would outlive our close(2).
 */
#pragma once

#include <signal.h>
#include <sys/epoll.h>
#include "base/heap.h"
#include "base/list.h"
#include "policy/histogram.h"

struct loop_source {
	int fd; /* not owned; -1: not watched */
	uint32_t events;
	bool quiet; /* what it does is no news for loop::touched */
	void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop_timer {
	struct heap_node node; /* loop::timers while armed */
	struct loop *loop;     /* where it was armed last */
	int64_t at_ms;
	bool quiet;	 /* as loop_source::quiet */
	uint64_t number; /* timers of the same time expire in the order in which they were armed */
	void (*expired)(struct loop_timer *timer);
};

#define LOOP_BATCH   64
#define LOOP_LATE_MS 250 /* a turn above it is told of */

/* The turns so far. */
struct loop_turns {
	struct histogram took;
	uint64_t longest_ns;
};

/* What is noted of the present turn: see loop_note(). */
struct loop_noted {
	const char *what; /* NULL: nothing, or it is over */
	uint64_t since_ns;
	const char *longest; /* NULL: nothing was noted */
	uint64_t longest_ns;
};

struct loop {
	int epoll_fd;
	int signal_fd;
	struct loop_source signal_source;
	void (*signalled)(struct loop *loop, int signo);
	void (*turn)(struct loop *loop);   /* set by the owner, or NULL: before each wait */
	void (*settle)(struct loop *loop); /* the same, for loop_settle() */
	/* The same: the turn that has just ended took @ns, and what took longest in it. */
	void (*late)(struct loop *loop, uint64_t ns, const struct loop_noted *noted);
	struct heap timers;
	uint64_t n_armed; /* since the loop exists */
	int64_t heard_ms; /* all signals that came before then were delivered; CLOCK_MONOTONIC */
	int64_t now_ms;	  /* CLOCK_MONOTONIC when a turn begins, less .given_ms */
	int64_t given_ms; /* to all deadlines, by turns that came late */
	bool touched;	  /* by a source or timer that is not .quiet, or added or removed,
			      since the owner has reset it */
	unsigned behind;  /* so many turns, at most, see events alone */
	uint64_t turn_ns; /* the same */
	struct loop_turns turns;
	struct loop_noted noted;
	struct epoll_event batch[LOOP_BATCH];
	int n_batch;
	bool stop;
	bool dry; /* descriptors are only numbers: what would be watched is not */
};

/* Blocks the signals of @handled and delivers them to @signalled from the loop. 0 or -errno. */
int loop_init(struct loop *loop, const int *handled, size_t n,
	      void (*signalled)(struct loop *loop, int signo));
void loop_deinit(struct loop *loop);

/* Runs until .stop is set. */
void loop_run(struct loop *loop);

/* In the middle of a turn: what has been done is to hold, whatever happens, before it is told. */
void loop_settle(struct loop *loop);

/*
 * Says what the handler that runs is going to do, for the report of a late turn; until it returns,
 * and unless something is noted already. @what lives as long as the program. Reads the clock: not
 * for the path of a connection.
 */
void loop_note(struct loop *loop, const char *what);

static inline int64_t loop_now(const struct loop *loop)
{
	return loop->now_ms;
}

/* Reads the clock: for the few callers that may have blocked since the turn began. */
int64_t loop_clock_ms(void);
uint64_t loop_clock_ns(void);
uint64_t loop_cpu_ns(void); /* that this thread has had: what others were given does not count */

/* @source->ready is set by the caller before. 0 or -errno (ENOSPC, ENOMEM: limits of epoll). */
int loop_add(struct loop *loop, struct loop_source *source, int fd, uint32_t events);
void loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source); /* not watched: nothing happens */

void loop_timer_init(struct loop_timer *timer, void (*expired)(struct loop_timer *timer));
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
void loop_timer_disarm(struct loop_timer *timer); /* not armed: nothing happens */

/* When it expires, on CLOCK_MONOTONIC less .given_ms; 0: it is not armed. */
int64_t loop_timer_at(const struct loop_timer *timer);
void loop_timer_resume(struct loop *loop, struct loop_timer *timer, int64_t at_ms);

static inline bool loop_timer_armed(const struct loop_timer *timer)
{
	return heap_linked(&timer->node);
}
