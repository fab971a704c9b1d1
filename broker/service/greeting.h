/*
 * greeting - one connection at the rendezvous (rendezvous.h), and what a worker is given there.
 */
#pragma once

#include <sys/socket.h>
#include "core/broker.h"
#include "sys/stream.h"

struct greeting {
	struct list link; /* rendezvous::greetings */
	struct rendezvous *rendezvous;
	const struct acceptor *at; /* the rendezvous' */
	struct broker *broker;
	struct loop_source source; /* not watched: it has to wait, until .timer */
	struct loop_timer timer;
	int fd; /* owned; -1: it is a channel's now */
	struct ucred peer;
	struct worker *worker; /* once it is answered; NULL: not known */
};

/* All there are: each has its share of what greetings may take. */
size_t greeting_workers(const struct broker *b);

/*
 * @sock: the app's own socket; -1: none came. 0: it has what it asked for; -errno with @reason,
 * which is empty if it is gone.
 */
int greeting_answer(struct greeting *g, const struct handoff_hello *hello, int sock,
		    struct strbuf *reason);
