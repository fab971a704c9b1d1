/*
 * why - in words, why a worker is in the state it is in and what happens next.
 *
 * The last column of `brokerctl status`. Empty where there is nothing to say.
 */
#pragma once

#include "base/strbuf.h"
#include "policy/worker_fsm.h"

/* How the last process of a slot ended that nobody had asked to. */
struct slot_trouble {
	char words[64];	       /* "exit 1", "signal 11 (SIGSEGV)" */
	char last_output[256]; /* the last line that it wrote; empty: none */
	int64_t at_ms;	       /* of the loop's clock */
	unsigned in_a_row;     /* it, and those before it, without a healthy one between; 0: none */
};

struct why_worker {
	enum worker_state state;
	int64_t state_ms; /* for how long */
	int64_t left_ms;  /* until the deadline of the state; negative: it has none */
	int stop_signal;
	int open;	     /* connections; negative: not known */
	unsigned waiting;    /* in its channels */
	unsigned ended_idle; /* connections that we ended between two requests */
	unsigned moved;	     /* ... and that went on with others */
	unsigned held;	     /* of enum worker_hold */
	bool pinned_only;
	int64_t stalled_ms; /* has taken nothing for so long, though some waited; 0: it does */
	bool debugged;	    /* by a person: its deadlines stand still */
	int tracer;	    /* pid; 0: none. Also a tracer that it always runs under, which stops no
			     * deadline
			     */
	const char *tracer_name;
	const char *check;	 /* why its last check failed; NULL or empty: it has passed */
	unsigned check_failures; /* in a row; 0: it could not be checked */
	const char *missing;	 /* ports it does not listen on yet, or, READY, an address on which
				  * others do; empty: not known, or none */
	const struct slot_trouble *trouble; /* of the slot before it; NULL: none */
	int64_t now_ms;			    /* on the clock of that */
};

void why_worker(const struct why_worker *w, struct strbuf *out);

/*
 * Why a rollout is not done yet: "@name to end (draining, 3 connections open, 57 s left)". Of @w it
 * needs the state with its times, .open with DRAINING, and what is known of a debugger.
 */
void why_rollout_waits(const struct why_worker *w, const char *name, struct strbuf *out);

/* A slot without a process. */
struct why_slot {
	int64_t backoff_ms;		    /* until the next start; 0: no back-off */
	const struct slot_trouble *trouble; /* NULL: none yet */
	const char *service;
	bool asleep;   /* its service starts one when a client comes */
	bool paused;   /* by hand, or by SIGWINCH */
	bool stopped;  /* paused, and its listeners are closed */
	bool stopping; /* its service ends: nobody is started in it any more */
};

void why_slot(const struct why_slot *s, struct strbuf *out);
