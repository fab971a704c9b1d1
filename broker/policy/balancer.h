/*
 * balancer - which worker gets the next connection.
 *
 * A ring of members, kept in the order of their slots, and a cursor. How many
 * connections wait at a member is known to the kernel; asking costs a system call.
 * But only the broker adds to a channel, so the number it keeps itself is never too
 * low: it asks (@refresh) only when that number has reached the limit.
 *
 * A choice costs the same with two members and with a thousand, while those that are first in the
 * order of their mode have room: the next in the ring, the first of a heap, or the home of the
 * client, which is looked up once and remembered until a member comes or goes.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "config/conf.h"

struct balancer_member {
	struct list link; /* balancer::ring */
	unsigned slot;	  /* orders the ring; the key of BALANCE_SOURCE */
	uint32_t waiting; /* upper bound of the connections that wait in the channel */
	uint32_t limit;	  /* how many may wait; 0: gets none for now */
	uint32_t load;	  /* BALANCE_LEAST_CONNECTIONS: open now, as far as known */
	uint32_t said;	  /* ... as busy as so many, by its own word: it can only add to .load */

	struct heap_node by_load; /* balancer::by_load, in that mode */
	uint64_t turn;		  /* when it was given one last: ties go round */
};

#define BALANCER_HOMES (1 << 14)

struct balancer {
	struct list ring;    /* of balancer_member::link */
	struct list *cursor; /* the member whose turn it is; &ring: the first */
	/*
	 * In BALANCE_ROUND_ROBIN this one of the ring gets the next before its turn, and nobody
	 * loses his: a lap takes long where there are many members and few clients.
	 */
	struct balancer_member *early;
	enum conf_balance mode;
	struct heap by_load; /* all members, in BALANCE_LEAST_CONNECTIONS */
	uint64_t turns;
	/*
	 * In BALANCE_SOURCE, by hash: the member that is best for it, room or not; NULL: to be
	 * looked up. The array is NULL if there is no memory, and then each choice looks.
	 */
	struct balancer_member **homes;
};

/* Lowers member->waiting to what the kernel says. */
typedef void balancer_refresh_fn(struct balancer_member *m);

void balancer_init(struct balancer *b, enum conf_balance mode);
void balancer_deinit(struct balancer *b);
void balancer_set_mode(struct balancer *b, enum conf_balance mode);

/* Adds @m behind all of its own and lower slots: who replaces another there takes over its turn. */
void balancer_add(struct balancer *b, struct balancer_member *m);
void balancer_remove(struct balancer *b, struct balancer_member *m); /* it may not be in it */

/*
 * The member that should get the next connection, or NULL if none has room. Does not
 * move the cursor, so that an accept(2) that finds nothing costs nobody a turn.
 * @source: hash of the client's address, used by BALANCE_SOURCE only.
 */
struct balancer_member *balancer_pick(struct balancer *b, uint32_t source,
				      balancer_refresh_fn *refresh);

/* @m, which balancer_pick() returned, was given a connection. */
void balancer_given(struct balancer *b, struct balancer_member *m);

/* @m got one past the round, in it or not: nobody's turn is over. */
void balancer_given_by_pin(struct balancer *b, struct balancer_member *m);

/* @m, in the ring or not, has that .load and .said now. */
void balancer_set_load(struct balancer *b, struct balancer_member *m, uint32_t load, uint32_t said);

/*
 * Hash of the client's address for BALANCE_SOURCE; IPv6 by its /64, the part a client cannot
 * choose. Clients of Unix sockets have none: each connection is a source of its own.
 */
uint32_t balancer_source_hash(const struct handoff_conn *conn);
