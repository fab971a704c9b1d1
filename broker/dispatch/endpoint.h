/*
 * endpoint - one address that the app listens on, as the broker sees it: the listeners
 * that feed it, the round of workers that serve it, and what is on its way.
 *
 *	listener --\                 /--> channel --> worker web.0
 *	listener ---> endpoint: round --> channel --> worker web.1
 *	              pending (taken back, first to go out again)
 *
 * Flow control: the dispatcher asks the round for a worker before it accepts. If none has
 * room the endpoint is *paused*: its listeners are disarmed, clients wait in the kernel's
 * backlog, and each message that a worker takes wakes the dispatcher through the channel.
 *
 * With pins (pin.h) there may be room for some and none for all others. Whose client it is is known
 * only once it is accepted: so up to ENDPOINT_SIP_MAX of the others are accepted too, and
 * wait among the pending.
 */
#ifndef BROKER_DISPATCH_ENDPOINT_H
#define BROKER_DISPATCH_ENDPOINT_H

#include "policy/balancer.h"
#include "core/broker.h"

#define ENDPOINT_SIP_MAX 64

struct channel;
struct service;

struct endpoint {
	struct list link; /* service::endpoints */
	struct service *service;
	struct handoff_addr app_addr; /* as the app asked for it first */
	struct balancer round;
	struct list listeners; /* listener::endpoint_link */
	struct list pending;   /* pending_conn::link, oldest first */
	size_t n_pending;
	uint16_t ports[8]; /* of listeners that fed it and are closed: their connections live on */
	size_t n_ports;
	size_t n_channels; /* that exist, in the round or not */
	bool paused;	   /* the listeners are disarmed */
	bool dispatching;  /* a dispatch is under way, and is not begun anew from within */
	bool wakes; /* what a worker takes wakes us: while it is paused, or somebody is pending */
	size_t n_sipped;      /* of the pending: accepted although the round had no room */
	int64_t paused_ms;    /* when .paused last changed */
	int64_t full_said_ms; /* when the log last said that all workers are full; 0: never */
	bool warned_full;
	struct loop_timer retry; /* armed while a shortage keeps it paused that no event will end */
};

struct pending_conn {
	struct list link; /* endpoint::pending */
	struct handoff_conn conn;
	int fd; /* owned */
	bool sipped;
};

struct listener {
	struct list link;	   /* service::listeners */
	struct list endpoint_link; /* endpoint::listeners; alone until the app listens */
	struct service *service;
	struct endpoint *endpoint;
	struct loop_source source; /* armed only while its endpoint is not paused */
	int fd;			   /* owned */
	unsigned id;
	struct handoff_addr addr;
	uint16_t app_port;
	bool automatic; /* bound because the app asked, not by a `listen` line */
	bool closing;	/* no new SYNs; emptied, then closed */
	uint64_t accepted;
};

/* NULL if there is no memory. */
struct endpoint *endpoint_new(struct service *service, const struct handoff_addr *app_addr);
void endpoint_free(struct endpoint *e); /* refuses what is pending */

/* The listener owns @fd from now on. NULL: no memory or no epoll slot; @fd stays the caller's. */
struct listener *listener_new(struct service *service, const struct handoff_addr *addr,
			      uint16_t app_port, bool automatic, int fd);
void listener_free(struct listener *l); /* closes it: clients in its backlog are reset */
/* Watched while its endpoint listens. */
void listener_arm(struct listener *l);
void listener_attach(struct listener *l, struct endpoint *e);
void listener_detach(struct listener *l);
/* Gives a listener to another service: its file changed owner in the configuration. */
void listener_move(struct listener *l, struct service *to);

/*
 * Into the round, and out of it. In it already, or not in it: nothing happens. The channel of a
 * worker that is .pinned_only stays out.
 */
void endpoint_join(struct endpoint *e, struct channel *c);
void endpoint_leave(struct endpoint *e, struct channel *c);

/* The pins of the service are others than before. */
void endpoint_pins_changed(struct endpoint *e);

/*
 * The dispatcher: sends out what is pending, then accepts, as long as a worker has room and
 * a bounded number of times; pauses or resumes the listeners as needed. True if nobody was left
 * waiting, neither here nor in a backlog.
 */
bool endpoint_dispatch(struct endpoint *e);

/* @l is readable: the same for one connection of it. */
void endpoint_accept(struct endpoint *e, struct listener *l);

/*
 * Into the line of those who wait here, by the order of acceptance; owns @fd. @sipped: it was
 * accepted only to see whether it is pinned.
 */
void endpoint_put_pending(struct endpoint *e, const struct handoff_conn *conn, int fd, bool sipped);
void endpoint_pending_free(struct endpoint *e, struct pending_conn *p);

/* A connection that came back goes to the front, in the order of acceptance. Owns @fd. */
void endpoint_put_back(struct endpoint *e, const struct handoff_conn *conn, int fd);

/* Lets go of everything that is pending: there is nobody left to serve it. */
void endpoint_refuse_pending(struct endpoint *e);

#endif
