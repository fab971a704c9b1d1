/*
 * meet.h - the worker's side of the rendezvous (docs/protocol.md), for code before which no hook of
 * ours stands: the launcher and libhandoff.
 *
 * Never:  allocates, writes anywhere, calls what a vfork child may not.
 */
#pragma once

#include "handoff_wire.h"

#include <sys/un.h>

/* Where this process belongs: what the broker has put into its environment. */
struct place {
	struct sockaddr_un rendezvous;
	uint8_t token[HANDOFF_TOKEN_SIZE];
	char service[HANDOFF_SERVICE_SIZE];
	uint32_t slot, generation;
	enum handoff_backend backend; /* what takes the connections: NATIVE, or as is set here */
};

/* 0; -ENOENT: no broker has started this process; -EINVAL: something has spoilt what it said. */
int place_read(struct place *ret);

/* Descriptors, all close-on-exec and the caller's; -1: none. */
struct meeting {
	int rx, tx;
	int page;	/* handoff_page.h */
	int rendezvous; /* to be kept open: its end is the goodbye */
	uint64_t channel;
	struct handoff_addr addr; /* where clients connect */
};

/*
 * Says HELLO for @addr, and waits for the answer, at most 30 s. 0: *@ret is what the broker gave.
 * -errno: nothing is open, and @reason says why in a sentence.
 */
int place_meet(const struct place *place, const struct handoff_addr *addr, uint32_t backlog,
	       struct meeting *ret, char reason[HANDOFF_REASON_SIZE]);

void meeting_close(struct meeting *m);
