/*
 * dispatch - how connections get from listeners to the workers of one service.
 *
 *	listener --\                 /--> channel --> taker web.0
 *	listener ---> endpoint: round --> channel --> taker web.1
 *	              pending (taken back, first to go out again)
 *
 * An endpoint is one address that the app listens on: the listeners that feed it, the round of
 * channels that serve it, and what is on its way. A taker takes connections out of channels; the
 * dispatcher knows no more of a worker.
 *
 * Flow control: the dispatcher asks the round for a worker before it accepts. If none has
 * room the endpoint is *paused*: its listeners are disarmed, clients wait in the kernel's
 * backlog, and each message that a worker takes wakes the dispatcher through the channel.
 *
 * With pins (route.h) there may be room for some clients and none for all others. Whose client it
 * is is known only once it is accepted: so up to ENDPOINT_AHEAD_MAX of the others are accepted
 * ahead of their turn, and wait among the pending.
 */
#pragma once

#include "core/broker.h"
#include "policy/balancer.h"
#include "policy/histogram.h"
#include "sys/pair.h"
#include "sys/unix_listener.h"

#define ENDPOINT_AHEAD_MAX 64
#define FULL_EACH_MS	   60000 /* that nobody has room is said so often */

struct channel;
struct endpoint;
struct listener;

/* --- what the endpoints of one service share ------------------------------------------- */

/* Embedded in a service. */
struct dispatch {
	KEPT(kept_dispatch);
	struct broker *broker;
	const char *service;	/* its name, for the log */
	struct list endpoints;	/* endpoint::link */
	struct list listeners;	/* listener::link */
	struct list takers;	/* taker::link, in the order of their start */
	uint64_t taker_changes; /* grows when one comes, goes or moves its gate: see flow.h */
	enum conf_balance mode; /* of new endpoints */
	struct pins pins;
	/*
	 * Connections that were given away and whose process has not ended, of workers that have a
	 * process for each; .limit: how many there may be. 0: any number, and .in_use says nothing.
	 */
	unsigned in_use, limit;
	/* Takers are started when a client comes, or when all are full: then it is called. */
	void (*wanted)(struct dispatch *d); /* NULL: they are not */
	bool asleep;			    /* there is none, and the listeners wait for the next */
};

/* Nothing new is accepted: a worker that drains stays in the round for what was. */
static inline bool dispatch_leaves(const struct dispatch *d)
{
	return d->paused || d->stopping;
}

/* Each process that may run for a connection runs. */
static inline bool dispatch_is_full(const struct dispatch *d)
{
	return d->limit && d->in_use >= d->limit;
}

/* --- takers ---------------------------------------------------------------------------- */

enum taker_gate {
	TAKER_SHUT,   /* nothing: it starts, leaves, or is dead */
	TAKER_PINNED, /* only what a pin leads to: it is held, or takes pinned sources alone */
	TAKER_OPEN,   /* the round, and pins */
};

struct taker;

/* Whether a process of a taker has the other end of a channel. */
enum taker_holds {
	HOLDS_NOT,
	HOLDS_MAYBE, /* a message with descriptors is on its way to one, or it is being executed */
	HOLDS_IT,
};

struct taker_ops {
	/* Asked of the kernel; no process says that it has it. */
	enum taker_holds (*holds)(struct taker *t, const struct channel *c);
	/*
	 * From the loop: the app does not listen on @c any more. What waits in it is to be taken
	 * back, and the channel to be closed.
	 */
	void (*lost)(struct taker *t, struct channel *c);
	/* From the loop: a process that has it has sent something, which is not believed. */
	void (*said)(struct taker *t, struct channel *c);
};

/* Embedded in a worker. All but the gate stays as it is from the start on. */
struct taker {
	struct list link;     /* dispatch::takers */
	struct list channels; /* channel::link */
	struct dispatch *dispatch;
	const struct taker_ops *ops;
	struct kept_worker *self; /* what it is called, and the connections that it has served */
	const struct service_conf *conf; /* its queue and stall_timeout */
	unsigned processes;		 /* that its page has a table for (handoff_process.h) */
	enum taker_gate gate;		 /* set by taker_set_gate() */
	uint64_t even_ns; /* when looking for its channels is made up for: policy/pace.h */
};

/* What names a taker in an entry of the log, and so in an event. */
#define LOG_TAKER(t)                                                                               \
	LOG_STR("service", (t)->dispatch->service), LOG_STR("worker", (t)->self->name),            \
		LOG_INT("pid", (t)->self->pid), LOG_INT("generation", (t)->self->generation)

/* --- channels -------------------------------------------------------------------------- */

/*
 * A rendezvous connection: it lasts as long as some process has it, and with it the listening
 * socket. A program that got the socket through exec(3) brings one of its own.
 */
struct channel_holder {
	KEPT(kept_holder);
	struct list link; /* channel::holders */
	struct channel *channel;
	struct loop_source source;
};

struct channel {
	/* Each connection touches these, so they are beside each other. */
	KEPT(kept_channel);
	struct balancer_member member; /* endpoint::round while it is in it */
	struct endpoint *endpoint;
	struct page page;

	struct list link; /* taker::channels */
	struct taker *taker;
	struct loop_source wake; /* on tx: a message was taken; armed while somebody waits */
	struct list holders;	 /* channel_holder::link: processes that say they have the socket */
	struct loop_timer verdict; /* from the end of the last of them to believing it */

	int seat; /* owned: where its worker's connections go when they move; -1: nowhere yet */

	/* What the watch saw last. */
	struct proc_look look; /* at the process that listens */
	bool state_read;       /* ... at the last look */
};

/* Whether it may have connections: some process says that it has the other end. */
static inline bool channel_is_usable(const struct channel *c)
{
	return !c->broken && !list_empty(&c->holders);
}

static inline bool channel_is_in_round(const struct channel *c)
{
	return !list_empty(&c->member.link);
}

static inline struct loop *channel_loop(const struct channel *c)
{
	return &c->taker->dispatch->broker->loop;
}

/* --- endpoints and their listeners ----------------------------------------------------- */

struct endpoint {
	KEPT(kept_endpoint);
	struct list link; /* dispatch::endpoints */
	struct dispatch *dispatch;
	struct balancer round;
	struct list listeners; /* listener::endpoint_link */
	struct list pending;   /* pending_conn::link, oldest first */
	size_t n_pending;
	size_t n_ahead;	   /* of the pending: accepted although the round had no room */
	size_t n_channels; /* that exist, in the round or not */
	bool paused;	   /* the listeners are disarmed */
	bool dispatching;  /* a dispatch is under way, and another does not begin within it */
	bool wakes; /* what a worker takes wakes us: while it is paused, or somebody is pending */
	int64_t paused_ms; /* when .paused last changed */
	bool warned_full;
	struct loop_timer again; /* dispatches: soon, or when a shortage may be over */
	int64_t rest_ms; /* too much was in flight at the last attempt, and it rests for so long */

	/* The dispatcher's, called by what stands below it: @only accepts, or NULL, all of it. */
	bool (*dispatch_now)(struct endpoint *e, struct listener *only);
};

struct pending_conn {
	KEPT(kept_pending);
	struct list link; /* endpoint::pending */
};

struct listener {
	KEPT(kept_listener);
	struct list link;	   /* dispatch::listeners */
	struct list endpoint_link; /* endpoint::listeners; alone until the app listens */
	struct dispatch *dispatch;
	struct endpoint *endpoint;
	struct loop_source source; /* armed only while its endpoint is not paused */
	struct unix_file file;	   /* of a path: the one that is ours */
};
