/*
 * names - what the users and groups in the file mean. Before a reload or a plan reads it, a process
 * of its own asks the name service (sys/name_service.h) while clients are served.
 */
#pragma once

#include "worker/types.h"

struct names_waiter {
	struct list link; /* names::waiters */
	unsigned round;	  /* of the look-up that it waits for */
	/* names::known is complete; or -errno: which answer is missing, and what to do. */
	void (*done)(struct names_waiter *waiter, int r, const char *why);
};

struct names {
	const char *file;	    /* NULL: there is none, and no names */
	struct conf_names *known;   /* held; by the last look-up, NULL: none had to be made */
	struct conf_names *answers; /* owned; of the one that runs: .got bytes so far */
	size_t got;
	struct list waiters; /* names_waiter::link, by their rounds */
	unsigned round;	     /* of the look-up that runs, or was the last */
	struct helper asker;
	struct loop_timer slow; /* it is said what is asked, when that has taken so long */
};

/* .file is set. */
void names_init(struct names *n, struct broker *b);

/* Looks up what is in the file now, and waits: at the start. 0; -errno with @error. */
int names_look_up(struct names *n, struct strbuf *error);

/*
 * The same, once for all who ask while an earlier look-up runs: then .done is called, or now if
 * there is nothing to ask. Whoever waits no longer removes its link.
 */
void names_want(struct names *n, struct names_waiter *waiter);

void names_stop(struct names *n); /* the broker is stopping: nobody waits any more */
