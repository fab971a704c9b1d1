/*
 * rendezvous - the socket at which a worker says that its app listens (HELLO), and is given a
 * channel, or refused with a reason; docs/protocol.md is the contract.
 */
#pragma once

#include "core/broker.h"
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
	uint64_t even_ns;      /* when what greetings have cost is made up for: policy/pace.h */
	struct list greetings; /* greeting::link: connections without a HELLO yet, oldest first */
	struct refused refused[REFUSED_OTHERS + 1]; /* since .minute was armed */
	struct loop_timer minute;
};

/* Accepts on @fd from now on, which stays the caller's. @rv->greetings is a list. 0 or -errno. */
int rendezvous_start(struct rendezvous *rv, struct broker *b, int fd);
void rendezvous_stop(struct rendezvous *rv);

/* Connections without a HELLO, for another program; and one of its. */
void rendezvous_keep(const struct rendezvous *rv, struct strbuf *out);
void rendezvous_adopt(struct rendezvous *rv, const struct kept_greeting *k);
