/*
 * meet.h - the rendezvous for code before which no hook of ours stands: the launcher and
 * libhandoff.
 */
#pragma once

#include "handoff_meet.h"

#include <stdio.h>

/*
 * Says HELLO for @addr and @path, and waits for the answer, at most 30 s. 0: *@ret is what the
 * broker gave. -errno: nothing is open, and @ret_reason says why in a sentence.
 */
static inline int meet_broker(const struct handoff_home *home, const struct handoff_addr *addr,
			      const char *path, uint32_t backlog, struct handoff_meeting *ret,
			      char ret_reason[HANDOFF_REASON_SIZE])
{
	struct handoff_wish wish = { .addr = *addr, .backlog = backlog, .own = -1 };
	int r;

	strcpy(wish.path, path);
	r = handoff_meet(home, &wish, ret, ret_reason);
	if (r == -EPROTO && ret->version != HANDOFF_VERSION)
		(void)snprintf(ret_reason, HANDOFF_REASON_SIZE,
			       "the broker speaks version %u of the handoff protocol, and this "
			       "program version %d: build it with the library of the broker that "
			       "runs",
			       ret->version, HANDOFF_VERSION);
	return r;
}
