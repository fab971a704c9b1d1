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
	KEPT(kept_greeting); /* .fd is -1 once it is a channel's */
	struct ucred peer;
	struct worker *worker; /* once it is answered; NULL: not known */
};

/* All there are: each has its share of what greetings may take. */
size_t greeting_workers(const struct broker *b);

/*
 * @sock: the app's own socket; -1: none came. 0: it has what it asked for, or gets it by
 * greeting_welcome(), if it has a .channel now; -errno with @reason, which is empty if it is gone.
 */
int greeting_answer(struct greeting *g, const struct handoff_hello *hello, int sock,
		    struct strbuf *reason);

/*
 * The worker gets its .channel: not before a state has that, or the next broker would know nothing
 * of a worker that thinks it is served. As above.
 */
int greeting_welcome(struct greeting *g, struct strbuf *reason);
