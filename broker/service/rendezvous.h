/*
 * rendezvous - the socket at which a worker says that its app listens (HELLO), and is given a
 * channel, or refused with a reason; docs/protocol.md is the contract.
 */
#pragma once

#include "core/broker.h"
#include "policy/greeters.h"
#include "sys/stream.h"

/* Whom the broker refuses is logged so often in a minute, and the rest counted. */
#define REFUSALS_SAID  10
#define REFUSED_OTHERS 31 /* in the last place are all that have no place of their own */

struct refused {
	char who[64]; /* a worker's name, or that of no worker with its user; empty: nobody */
	unsigned n;
};

struct rendezvous {
	struct broker *broker;
	struct acceptor acceptor;
	struct greeter greeters[GREETERS_KEPT];
	struct greeter *at; /* what this turn of the loop does is done for him; NULL: for nobody */
	uint64_t since_ns;  /* loop_cpu_ns() */
	unsigned times;	    /* ... and so often what it costs from then on */
	uint64_t even_ns;   /* the same as a greeter's, of taking those that have to wait */
	struct list greetings; /* greeting::link: connections without a HELLO yet, oldest first */
	struct list due;       /* the same, of whom a state is to know before they are answered */
	struct refused refused[REFUSED_OTHERS + 1]; /* since .minute was armed */
	struct loop_timer minute;
};

/* Accepts on @fd from now on, which stays the caller's. @rv->greetings is a list. 0 or -errno. */
int rendezvous_start(struct rendezvous *rv, struct broker *b, int fd);
void rendezvous_stop(struct rendezvous *rv);

/* A turn of the loop ends: what it has cost is somebody's, if he has greeted in it. */
void rendezvous_turn(struct rendezvous *rv);

/* What was done before holds, whatever happens: whoever is .due is answered. */
void rendezvous_welcome(struct rendezvous *rv);

/*
 * @whole: connections without a HELLO, for another program; else those that are .due, as the others
 * are found again. And one of its, or false: it is no such one.
 */
void rendezvous_keep(const struct rendezvous *rv, bool whole, struct strbuf *out);
bool rendezvous_adopt(struct rendezvous *rv, const struct kept_greeting *k);
