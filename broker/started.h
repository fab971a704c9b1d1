/*
 * started - the processes that the parent (parent.h) has started, and how it ends them when the
 * broker was killed.
 *
 * Workers then still have the connections that wait in their channels, and those that they are
 * serving, but nobody would tell them to exit. So each gets its drain_timeout, then stop_signal,
 * then SIGKILL after stop_timeout. Meanwhile its output is read and dropped: without a reader,
 * SIGPIPE would kill it at its next line, in the middle of a request.
 */
#pragma once

#include <sys/types.h>
#include "sys/loop.h"

struct started_all {
	struct loop *loop;
	struct list list; /* started::link */
	void (*gone)(struct started_all *all); /* one was given up, as it may not be signalled */
};

/* A process that the broker has asked for, or named. */
struct started {
	struct list link; /* started_all::list */
	struct started_all *all;
	pid_t pid;
	uint32_t request; /* of the broker, by which it was started */
	int sig;
	int64_t drain_ms, stop_ms;
	int output_fd; /* owned; -1: none, or at its end */
	struct loop_source output;
	struct loop_timer due; /* the next of the two signals */
	bool told;	       /* .sig was sent */
};

/* NULL: it is none of them. */
struct started *started_find(const struct started_all *all, pid_t pid);

/* One that is told at once, until .sig and the others are set. NULL: no memory. */
struct started *started_add(struct started_all *all, pid_t pid);
void started_forget(struct started *s);

/* SIGKILL for those that were started by a later request than @last. */
void started_kill_since(struct started_all *all, uint32_t last);

/* The broker has ended: each ends in its time, or, @now, without a drain. */
void started_end(struct started_all *all, bool now);
