/*
 * move - busy connections of workers that drain go on with others: `move = auto` (broker.ini(5)).
 * So do those of a worker that is held for a debugger, or with `hold --move`.
 *
 * A MOVE in the channel of such a worker makes its library give the connections that it has to the
 * relay (sys/relay.h), a process of ours that is started for that and ends with the last of them.
 * From there each comes back between two requests, and is dispatched as what is taken back.
 */
#pragma once

#include "service/types.h"

/* One for all services: broker::mover. */
struct mover {
	struct helper relay;
	int fd; /* owned: our end of its socket; -1: none runs */
	struct loop_source source;
	uint64_t n_seats;	/* that it was sent */
	unsigned n_conns;	/* that go through it, when it was last heard */
	int64_t short_until_ms; /* descriptors or memory are short: what moves waits there */
};

void mover_init(struct mover *m, struct broker *b);

/*
 * From the watch: tells the workers of @s that drain, or are held for that, now and then, as each
 * may have many processes and what is busy now is not always. Returns whether there are any.
 */
bool service_move(struct service *s);

/* Whether @w gives its connections away, and another worker could have them. */
bool worker_moves(struct worker *w);

/* As service_move(). Returns whether to look again. */
bool mover_watch(struct mover *m);

/* The relay goes on with the next broker that serves in this process, or its shadow. */
void mover_keep(const struct mover *m, struct kept_run *k);
int mover_adopt(struct mover *m, const struct kept_run *k);
