/*
 * meet.h - the rendezvous for code before which no hook of ours stands: the launcher and
 * libhandoff.
 */
#pragma once

#include "handoff_meet.h"

/* Closes *@fd if it is open and leaves -1. Keeps errno. */
void meet_close_fd(int *fd);

/*
 * Says HELLO for @addr and @path, and waits for the answer, at most 30 s. 0: *@ret is what the
 * broker gave. -errno: nothing is open, and @reason says why in a sentence.
 */
int meet_broker(const struct handoff_home *home, const struct handoff_addr *addr, const char *path,
		uint32_t backlog, struct handoff_meeting *ret, char reason[HANDOFF_REASON_SIZE]);
