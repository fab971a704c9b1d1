#include "worker_fsm.h"

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

#define TO(event, state) [EV_##event] = WORKER_##state + 1

/* Where an event leads, plus 1; 0: nowhere. What holds of every living state is in next_of(). */
static const unsigned char edges[WORKER_STATE_N][WORKER_EVENT_N] = {
	[WORKER_STARTING] = { TO(LISTEN, READY),    TO(RETIRE, STOPPING),
			      TO(TIMEOUT, STOPPING), TO(MAIN_EXIT, STOPPING) },
	/* Children may still answer what they have: a drain without its head. */
	[WORKER_READY]    = { TO(LISTEN, READY),    TO(UNLISTEN, STARTING), TO(CLOSED, CLOSED),
			      TO(RETIRE, DRAINING), TO(HOLD, HELD), TO(MAIN_EXIT, DRAINING) },
	[WORKER_HELD]     = { TO(LISTEN, HELD),     TO(UNLISTEN, STARTING), TO(CLOSED, DRAINING),
			      TO(RETIRE, DRAINING), TO(RELEASE, READY), TO(MAIN_EXIT, DRAINING) },
	[WORKER_CLOSED]   = { TO(LISTEN, READY),    TO(RETIRE, DRAINING),
			      TO(TIMEOUT, DRAINING), TO(MAIN_EXIT, DRAINING) },
	[WORKER_DRAINING] = { TO(CLOSED, DRAINING), TO(RETIRE, DRAINING), TO(DRAINED, STOPPING),
			      TO(PARK, PARKED),     TO(RESTORE, READY),
			      TO(TIMEOUT, STOPPING), TO(MAIN_EXIT, DRAINING) },
	/* It has nothing to finish: whatever ends the waiting ends the worker. */
	[WORKER_PARKED]   = { TO(UNLISTEN, STOPPING), TO(CLOSED, STOPPING), TO(RETIRE, STOPPING),
			      TO(RESTORE, READY),
			      TO(TIMEOUT, STOPPING), TO(MAIN_EXIT, STOPPING) },
	[WORKER_STOPPING] = { TO(TIMEOUT, STOPPING), TO(MAIN_EXIT, STOPPING) },
};
/* clang-format on */

/* The state, or WORKER_STATE_N: the pair is illegal. */
static enum worker_state next_of(enum worker_state from, enum worker_event ev)
{
	if (from == WORKER_DEAD)
		return WORKER_STATE_N;
	if (ev == EV_EXIT)
		return WORKER_DEAD;
	if (ev == EV_KILL || (ev == EV_STOP && from != WORKER_STOPPING))
		return WORKER_STOPPING;
	return edges[from][ev] ? (enum worker_state)(edges[from][ev] - 1) : WORKER_STATE_N;
}

static bool has_deadline(enum worker_state s)
{
	return s != WORKER_READY && s != WORKER_HELD && s != WORKER_DEAD;
}

/* What a step asks for follows from where it leads. */
static unsigned actions_of(enum worker_state from, enum worker_event ev, enum worker_state to)
{
	bool moves = to != from;
	bool kills = ev == EV_KILL || (ev == EV_TIMEOUT && from == WORKER_STOPPING);
	/* CLOSED has given it back: it closed the channels. */
	bool may_wait = from != WORKER_CLOSED && from != WORKER_PARKED && from != WORKER_STOPPING &&
			ev != EV_DRAINED && ev != EV_PARK;
	unsigned actions = 0;

	if (moves && to == WORKER_READY)
		actions |= ACT_PUBLISH;
	else if (moves && (may_wait || to == WORKER_DEAD))
		actions |= ACT_TAKE_BACK;
	if (moves && from == WORKER_READY)
		actions |= ACT_WITHDRAW;
	if (has_deadline(to) && (moves || kills))
		actions |= ACT_ARM;
	if (has_deadline(from) && !has_deadline(to))
		actions |= ACT_DISARM;
	if (to == WORKER_STOPPING)
		actions |= kills ? ACT_KILL : ACT_SIGNAL;
	if (moves && ev == EV_RETIRE && to == WORKER_DRAINING)
		actions |= ACT_TELL_DRAIN;
	return to == WORKER_DEAD ? actions | ACT_RELEASE : actions;
}

bool worker_fsm_step(enum worker_state *state, enum worker_event ev, unsigned *ret_actions)
{
	enum worker_state from = *state, to;

	assert((unsigned)from < WORKER_STATE_N && (unsigned)ev < WORKER_EVENT_N);
	to = next_of(from, ev);
	if (to == WORKER_STATE_N)
		return false;
	*state = to;
	*ret_actions = actions_of(from, ev, to);
	return true;
}
