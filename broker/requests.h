/*
 * requests - what the broker asks of its parent, and may: sys/starter_wire.h says how.
 */
#pragma once

#include "started.h"
#include "sys/starter.h"

struct requests {
	pid_t broker; /* who asks; 0: it has ended */
	struct started_all started;
	int manager_fd; /* owned; -1: no service manager is told anything */
	bool limited;	/* by: */
	struct starter_rights rights;
};

/* Whether @pid is a child of ours that was not reaped yet. */
bool requests_is_child(const struct requests *q, pid_t pid);

/*
 * Does what @m, as it came, asks for. The descriptors of @got stay the caller's, but for
 * those that are set to -1. 0 with the pid and the descriptor of the answer, which is the caller's
 * (0 and -1: none); -errno, mostly with @error.
 */
struct handoff_received;
int requests_do(struct requests *q, struct starter_message *m, struct handoff_received *got,
		pid_t *ret_pid, int *ret_fd, struct strbuf *error);
