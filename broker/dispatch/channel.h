/*
 * channel - a pair of sockets (sys/pair.h) between an endpoint and one of its takers, the books on
 * what went through it, and its holders: the rendezvous connections of the processes that say that
 * they have the listening socket. How the end of the last of them is verified is here, too.
 */
#pragma once

#include "dispatch/types.h"
#include "policy/pace.h"
#include "sys/pair.h"

/*
 * A new channel for @e: the app of @t listens. 0, with *@ret_channel the taker's; -errno.
 * Nobody holds it yet: channel_add_holder() comes next.
 */
int channel_new(struct taker *t, struct endpoint *e, struct channel **ret_channel);

/* Of the same, without its descriptors and on no list: to be filled. NULL: no memory. */
struct channel *channel_make(struct taker *t, struct endpoint *e);

/* What still waits in it is gone with it: take it back before. Frees @c. */
void channel_close(struct channel *c);

/* Process @pid has the other end of @c and says so on @fd, owned on success. 0 or -errno. */
int channel_add_holder(struct channel *c, int fd, pid_t pid);

/* Whether any process has the other end of @c, asked of the kernel now. */
bool channel_has_holder(struct channel *c);

/* Nothing can be sent into @c any more. It gets none, and is lost when the loop runs next. */
void channel_break(struct channel *c);

/* Whether the process that listens is stopped: see proc_is_stopped(). */
bool channel_is_stopped(struct channel *c, bool was);

/* Sends one connection, as pair_send(), with its number. On PAIR_SENT the books are kept. */
enum pair_result channel_give(struct channel *c, struct handoff_conn *conn, int fd);

/*
 * The same for a connection of a health check, if none waits in @c. It is no client: no counter has
 * it, and who takes it back drops it. On PAIR_SENT the caller closes its copy of @fd.
 */
enum pair_result channel_give_check(struct channel *c, struct handoff_conn *conn, int fd);

/* Whether that still waits in @c, in which @messages are. */
bool channel_check_waits(const struct channel *c, unsigned messages);

/*
 * How many connections wait in it now; and c->waited has what the worker has counted since, as far
 * as it can be true.
 */
unsigned channel_look(struct channel *c);

/*
 * What a native worker has said in its page: its load goes to the round. True: it wants no more.
 * Nothing of any other is read.
 */
bool channel_hear(struct channel *c);

/* What its worker says that it is, in a word: enum handoff_backend; NULL: not known. */
const char *channel_backend(const struct channel *c);

/* Whether a thread of its worker waits in accept, as the worker says. */
bool channel_is_accepting(const struct channel *c);

/* Its worker drains, or serves again. Costs nothing but for a native one, which is woken. */
void channel_tell_draining(struct channel *c, bool draining);

/* How many clients wait in @c now, asked of the kernel. */
unsigned channel_waiting(const struct channel *c);

/*
 * The same. Only we add to it, so our own count is never too low: if it
 * is 0, the kernel is not asked.
 */
unsigned channel_backlog(const struct channel *c);

/* Connections that it was given, and whose process has not ended: see dispatch::in_use. */
static inline unsigned channel_in_use(const struct channel *c)
{
	return (unsigned)(c->sent - c->taken_back - c->ended);
}

/* @n processes have ended. */
void channel_ended(struct channel *c, unsigned n);

/* How many have been taken out of @c, of which @waiting are still there. */
static inline uint64_t channel_taken(const struct channel *c, unsigned waiting)
{
	return c->sent - c->taken_back - waiting;
}

/* Whether one waits in @c that came by the round, or for a pin that is off. It asks the kernel. */
bool channel_has_unpinned(const struct channel *c);

/* @c gets none until it takes something, but one now and then to see whether it does. */
void channel_shun(struct channel *c);

/* Its worker takes again: as many as its queue allows. */
void channel_trust(struct channel *c);

/*
 * No more of the worker's connections move, until it is told again: with the pins that there are
 * then. What is in the relay stays where it is; what was on its way there is looked at.
 */
void channel_close_seat(struct channel *c);

/* --- all channels of one worker at once: into the round, out of it, and the sums -------- */

/* @t->dispatch is set. The gate is shut until its owner opens it. */
void taker_init(struct taker *t);
void taker_deinit(struct taker *t); /* closes its channels */

static inline void taker_set_gate(struct taker *t, enum taker_gate gate)
{
	t->dispatch->taker_changes += gate != t->gate;
	t->gate = gate;
}

/* Into the round with those of its channels that are not in it, as far as the gate lets them. */
void taker_publish(struct taker *t);
void taker_withdraw(struct taker *t);

/* Whether its app listens on @port, at whatever address; on what @e is for. */
bool taker_listens_on(const struct taker *t, uint32_t app);
bool taker_serves(const struct taker *t, const struct endpoint *e);

struct channel *taker_find_channel(struct taker *t, uint64_t id);

uint64_t taker_taken(const struct taker *t);   /* connections it has taken so far */
unsigned taker_waiting(const struct taker *t); /* in its channels now */

/* Since when one of its channels takes nothing, though some wait; 0: all do. */
static inline int64_t taker_stalled_since(const struct taker *t)
{
	int64_t since = 0;

	list_for_each (const struct channel, c, &t->channels, link)
		if (c->stalled_since_ms && (!since || c->stalled_since_ms < since))
			since = c->stalled_since_ms;
	return since;
}

/*
 * It drains: an app that polled, and then calls a *blocking* accept, may wait for a connection that
 * was taken back since. While it serves, the next one frees it. Now none comes, and the clients
 * that it has would wait with it: so it is nudged.
 */
void taker_nudge(struct taker *t);

/* So much looking at the processes of one taker is done at once: it may have very many. */
#define TAKER_LOOKS_NS (5 * NSEC_PER_MSEC)

/*
 * For how many milliseconds no process of @t is to be looked at after @worked_ns of that; 0: it may
 * be done at once.
 */
static inline int64_t taker_look_rest(struct taker *t, uint64_t worked_ns)
{
	return pace_debt_ms(&t->even_ns, loop_clock_ns(), worked_ns, PACE_EVIDENCE, TAKER_LOOKS_NS);
}
