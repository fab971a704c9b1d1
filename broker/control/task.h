/*
 * task - what a client is in the middle of: a status in slices, events that it follows, a reload
 * that it waits for, a worker that it debugs.
 *
 * A client has one at a time and owns it. It reads no further request meanwhile. The task ends with
 * the answer, unless it lasts.
 */
#pragma once

#include "base/util.h"

struct client;
struct task;

struct task_ops {
	bool lasts; /* beyond the answer, until the client closes its side of the connection */
	void (*drained)(struct task *t); /* the client has read all: write more. May be NULL */
	void (*drop)(struct task *t);	 /* the answer is over, or the client has left: free it */
};

struct task {
	const struct task_ops *ops;
	struct client *client;
};
