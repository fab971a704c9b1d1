#include "worker_fsm.h"

struct edge {
	bool legal;
	enum worker_state next;
	unsigned actions;
};

/* clang-format off */
const char *const worker_state_names[WORKER_STATE_N] = {
	[WORKER_STARTING] = "starting",
	[WORKER_READY]    = "ready",
	[WORKER_HELD]     = "held",
	[WORKER_CLOSED]   = "closed",
	[WORKER_DRAINING] = "draining",
	[WORKER_PARKED]   = "parked",
	[WORKER_STOPPING] = "stopping",
	[WORKER_DEAD]     = "dead",
};

#define GO(state, acts) { .legal = true, .next = (state), .actions = (acts) }

#define LEAVE_ROUND (ACT_WITHDRAW | ACT_TAKE_BACK)

/* Pairs that are not listed are illegal: zero-initialised, .legal == false. */
static const struct edge edges[WORKER_STATE_N][WORKER_EVENT_N] = {
	[WORKER_STARTING] = {
		[EV_LISTEN]    = GO(WORKER_READY,    ACT_DISARM | ACT_PUBLISH),
		[EV_RETIRE]    = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_TIMEOUT]   = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_STOP]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_KILL | ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_DISARM | ACT_TAKE_BACK | ACT_RELEASE),
	},
	[WORKER_READY] = {
		[EV_LISTEN]    = GO(WORKER_READY,    0),
		[EV_UNLISTEN]  = GO(WORKER_STARTING, LEAVE_ROUND | ACT_ARM),
		[EV_CLOSED]    = GO(WORKER_CLOSED,   LEAVE_ROUND | ACT_ARM),
		[EV_RETIRE]    = GO(WORKER_DRAINING, LEAVE_ROUND | ACT_ARM | ACT_TELL_DRAIN),
		[EV_HOLD]      = GO(WORKER_HELD,     LEAVE_ROUND),
		[EV_STOP]      = GO(WORKER_STOPPING, LEAVE_ROUND | ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, LEAVE_ROUND | ACT_KILL | ACT_ARM),
		/* Children may still answer what they have: a drain without its head. */
		[EV_MAIN_EXIT] = GO(WORKER_DRAINING, LEAVE_ROUND | ACT_ARM),
		[EV_EXIT]      = GO(WORKER_DEAD,     LEAVE_ROUND | ACT_RELEASE),
	},
	[WORKER_HELD] = {
		[EV_LISTEN]    = GO(WORKER_HELD,     0),
		[EV_UNLISTEN]  = GO(WORKER_STARTING, ACT_TAKE_BACK | ACT_ARM),
		[EV_CLOSED]    = GO(WORKER_DRAINING, ACT_TAKE_BACK | ACT_ARM),
		[EV_RETIRE]    = GO(WORKER_DRAINING, ACT_TAKE_BACK | ACT_ARM | ACT_TELL_DRAIN),
		[EV_RELEASE]   = GO(WORKER_READY,    ACT_PUBLISH),
		[EV_STOP]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_KILL | ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_DRAINING, ACT_TAKE_BACK | ACT_ARM),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_TAKE_BACK | ACT_RELEASE),
	},
	/* It has given back what waited: it closed the channels. */
	[WORKER_CLOSED] = {
		[EV_LISTEN]    = GO(WORKER_READY,    ACT_DISARM | ACT_PUBLISH),
		[EV_RETIRE]    = GO(WORKER_DRAINING, ACT_ARM | ACT_TELL_DRAIN),
		[EV_TIMEOUT]   = GO(WORKER_DRAINING, ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_DRAINING, ACT_ARM),
		[EV_STOP]      = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_KILL | ACT_ARM),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_DISARM | ACT_TAKE_BACK | ACT_RELEASE),
	},
	[WORKER_DRAINING] = {
		[EV_CLOSED]    = GO(WORKER_DRAINING, 0),
		[EV_RETIRE]    = GO(WORKER_DRAINING, 0),
		[EV_DRAINED]   = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_PARK]      = GO(WORKER_PARKED,   ACT_ARM),
		[EV_RESTORE]   = GO(WORKER_READY,    ACT_DISARM | ACT_PUBLISH),
		[EV_TIMEOUT]   = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_STOP]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_TAKE_BACK | ACT_KILL | ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_DRAINING, 0),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_DISARM | ACT_TAKE_BACK | ACT_RELEASE),
	},
	/* It has nothing to finish: whatever ends the waiting ends the worker. */
	[WORKER_PARKED] = {
		[EV_UNLISTEN]  = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_CLOSED]    = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_RETIRE]    = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_RESTORE]   = GO(WORKER_READY,    ACT_DISARM | ACT_PUBLISH),
		[EV_TIMEOUT]   = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_STOP]      = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_KILL | ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_STOPPING, ACT_SIGNAL | ACT_ARM),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_DISARM | ACT_TAKE_BACK | ACT_RELEASE),
	},
	[WORKER_STOPPING] = {
		[EV_TIMEOUT]   = GO(WORKER_STOPPING, ACT_KILL | ACT_ARM),
		[EV_KILL]      = GO(WORKER_STOPPING, ACT_KILL | ACT_ARM),
		[EV_MAIN_EXIT] = GO(WORKER_STOPPING, ACT_SIGNAL),
		[EV_EXIT]      = GO(WORKER_DEAD,     ACT_DISARM | ACT_TAKE_BACK | ACT_RELEASE),
	},
	[WORKER_DEAD] = { { .legal = false } },
};
/* clang-format on */

bool worker_fsm_step(enum worker_state *state, enum worker_event ev, unsigned *ret_actions)
{
	const struct edge *edge;

	assert((unsigned)*state < WORKER_STATE_N && (unsigned)ev < WORKER_EVENT_N);
	edge = &edges[*state][ev];
	if (!edge->legal)
		return false;
	*state = edge->next;
	*ret_actions = edge->actions;
	return true;
}
