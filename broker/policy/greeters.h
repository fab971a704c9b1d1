/*
 * greeters - what greetings at the rendezvous have cost, for each user by himself: who greets
 * without end has his share of a processor, and keeps no other user's workers waiting.
 */
#pragma once

#include <sys/types.h>
#include "policy/pace.h"

/* So much work is done for one user at once: the more with more workers, which start together. */
#define GREETINGS_NS  (200 * NSEC_PER_MSEC)
#define OF_WORKER_NS  (2 * NSEC_PER_MSEC)
#define GREETERS_KEPT 32

struct greeter {
	uid_t uid;
	uint64_t even_ns; /* when what he has cost is made up for: policy/pace.h */
};

/* That of @uid. If too many others owe something he shares the last place with some of them. */
static inline struct greeter *greeter_find(struct greeter of[GREETERS_KEPT], uid_t uid,
					   uint64_t now_ns)
{
	struct greeter *free = &of[GREETERS_KEPT - 1];

	for (struct greeter *g = of + GREETERS_KEPT; g-- > of;) {
		if (g->uid == uid && g->even_ns > now_ns)
			return g;
		if (g->even_ns <= now_ns)
			free = g;
	}
	free->uid = uid;
	return free;
}

/* He has cost @worked_ns more. How long what he asks for is to wait; 0: it need not. */
static inline int64_t greeter_rest_ms(struct greeter *g, uint64_t now_ns, uint64_t worked_ns,
				      size_t workers)
{
	return pace_debt_ms(&g->even_ns, now_ns, worked_ns, PACE_EVIDENCE,
			    GREETINGS_NS + workers * OF_WORKER_NS);
}
