/*
 * worker_fsm - the life of one worker, as a pure transition table.
 *
 *               listen                   retire                 drained, timeout
 *   STARTING -----------> READY -----------------> DRAINING --------------------> STOPPING
 *      |  ^                | ^ ^ ^                  |  |                            ^ |  |
 *      |  +---unlisten-----+ | | +----- restore ----+  | park                       | |  |
 *      |                   | | |                       v                            | |  |
 *      |                   | | +------ restore ---- PARKED --- timeout, retire, ----+ |  |
 *      |                   | | release                 |     closed, main exit        |  |
 *      |              hold v |                         |       timeout: SIGKILL ------+  |
 *      |                  HELD                         |                                 |
 *      +---- stop, timeout, main exit ---> STOPPING    +-------- exit ---> DEAD <--------+
 *
 * READY --closed--> CLOSED: it has clients, and may listen again. listen -> READY; timeout, retire,
 * main exit -> DRAINING.
 *
 * From every living state: stop -> STOPPING, kill -> STOPPING with SIGKILL, exit -> DEAD.
 *
 * A worker is a tree of processes. "Main" is the one that the broker started, or the
 * one that took its place when the app daemonised. EXIT means that no process is left.
 */
#pragma once

#include "base/util.h"

enum worker_state {
	WORKER_STARTING, /* forked, the app does not listen yet: gets no connections */
	WORKER_READY,	 /* in the round */
	WORKER_HELD,	 /* serves what it has, but is out of the round: stopped or held by hand */
	WORKER_CLOSED,	 /* has clients and no listening socket: it may open that again */
	WORKER_DRAINING, /* gets nothing more, finishes what it has */
	WORKER_PARKED,	 /* has finished it, and lives on: a rollback may put it back */
	WORKER_STOPPING, /* told to end; only its exit matters now */
	WORKER_DEAD,	 /* no process left; the slot may be used again */
	WORKER_STATE_N
};

/* Reasons to be out of the round; the last that goes lets it in again. */
enum worker_hold {
	HELD_BY_HAND = 1 << 0,	/* until a person says otherwise */
	HELD_BY_STOP = 1 << 1,	/* while its process is stopped */
	HELD_BY_DEBUG = 1 << 2, /* while a debugging session lasts */
	HELD_AS_HUNG = 1 << 3,	/* it took no connections: until a person says otherwise */
	HELD_BY_CHECK = 1 << 4, /* while its check fails, and another worker is well */
};

enum worker_event {
	EV_LISTEN,    /* the app listens on all that it is expected to */
	EV_UNLISTEN,  /* it closed its listeners right after: it was a probe */
	EV_CLOSED,    /* it closed its last listener: it has enough clients, or wants to end */
	EV_RETIRE,    /* reload, fewer workers, shutdown */
	EV_DRAINED,   /* the kernel says: no connection left */
	EV_PARK,      /* the same, of a worker that is kept for a rollback */
	EV_RESTORE,   /* rollback: it serves again */
	EV_HOLD,      /* seen stopped, or held by hand */
	EV_RELEASE,   /* runs again, or released by hand */
	EV_TIMEOUT,   /* the deadline armed by ACT_ARM passed */
	EV_STOP,      /* end it without a drain */
	EV_KILL,      /* end it now */
	EV_MAIN_EXIT, /* the main process ended, others of its tree are left */
	EV_EXIT,      /* no process is left */
	WORKER_EVENT_N
};

enum worker_action {
	ACT_PUBLISH = 1 << 0,	/* into the round */
	ACT_WITHDRAW = 1 << 1,	/* out of the round */
	ACT_TAKE_BACK = 1 << 2, /* what waits in its channels goes to others */
	ACT_SIGNAL = 1 << 3,	/* stop_signal: to main, or to all that is left once main is gone */
	ACT_KILL = 1 << 4,	/* SIGKILL to every process of the tree */
	ACT_ARM = 1 << 5,	/* (re)start the deadline of the state that is entered */
	ACT_DISARM = 1 << 6,
	ACT_RELEASE = 1 << 7,	 /* close the channels, free the worker */
	ACT_TELL_DRAIN = 1 << 8, /* drain_signal, if there is one, to main */
};

/* Applies @ev if it is legal, with *@ret_actions; else false: what comes late moves nobody. */
bool worker_fsm_step(enum worker_state *state, enum worker_event ev, unsigned *ret_actions);

extern const char *const worker_state_names[WORKER_STATE_N];

/* In this state the worker is the current one of its slot: it serves, or is about to. */
static inline bool worker_state_is_current(enum worker_state s)
{
	return s == WORKER_STARTING || s == WORKER_READY || s == WORKER_HELD || s == WORKER_CLOSED;
}
