/*
 * service - the workers of one [service:NAME] section and what keeps their number right.
 *
 *	slots[i].current   serves, or is about to
 *	slots[i].next      starts beside it to replace it (start-first rollout)
 *	workers            all that live, also those that drain or stop
 */
#ifndef BROKER_CORE_SERVICE_H
#define BROKER_CORE_SERVICE_H

#include "core/worker.h"
#include "policy/backoff.h"
#include "policy/rollout.h"
#include "base/strbuf.h"

struct master;

struct slot {
	struct worker *current, *next;
};

struct service {
	struct list link; /* master::services */
	struct master *master;
	struct service_conf *conf;   /* in force: what a crashed worker is replaced by */
	struct service_conf *target; /* of the rollout under way, else NULL */
	struct service_conf *after;  /* a reload came during it: the next target, else NULL */
	unsigned want;		     /* workers wanted: conf->workers, moved by SIGTTIN, SIGTTOU */
	unsigned generation;	     /* in force */
	unsigned last_generation;    /* given out */
	struct slot slots[ROLLOUT_MAX];
	struct list workers;   /* worker::link */
	struct list endpoints; /* endpoint::link */
	struct list listeners; /* listener::link */
	struct rollout rollout;
	bool pumping; /* service_pump() is on the stack */
	char abort_reason[256];
	int64_t rollout_began_ms;
	struct backoff backoff;
	int64_t last_failure_ms;
	struct loop_timer restart; /* the back-off ends */
	bool stopping;		   /* ends: shutdown, or its section is gone */
	bool paused;		   /* SIGWINCH: no workers until the next reload */
	bool closing;		   /* listeners are being emptied */
	int64_t closing_since_ms;
	int64_t handover_until_ms; /* serves on until then, or until others are ready; 0: does not
				    */
	struct loop_timer closing_timer;
	struct ledger ledger;
	unsigned last_guest;	 /* number given to one */
	uint64_t served_by_gone; /* taken by workers that have ended */
};

/* NULL: no memory. Takes a reference to @conf. Nothing is started yet. */
struct service *service_new(struct master *m, struct service_conf *conf);
void service_free(struct service *s); /* no worker may be left */

const char *service_name(const struct service *s);

/* Starts what is missing, as far as back-off and rollout allow. */
void service_fill(struct service *s);

/*
 * Rolls every worker to @conf (a reference is taken). During a rollout: once more afterwards.
 */
void service_roll(struct service *s, struct service_conf *conf);

/* One more or fewer worker. False: the limit is reached. */
bool service_scale(struct service *s, int by);

/* Drains all workers, keeps the listeners; ended by the next service_roll(). */
void service_pause(struct service *s);

/* Ends the service: @drain first, and then told to end; else told at once. */
void service_stop(struct service *s, bool drain);
void service_kill(struct service *s);

/*
 * Ends the service with a drain, but not before the others are ready, or its start_timeout is over:
 * its section may have a new name, and the socket that its app asked for is then asked for again.
 */
void service_hand_over(struct service *s);

bool service_is_gone(const struct service *s); /* stopping, and no worker or connection is left */

/* All of it goes: nothing new is accepted, and what was accepted has nobody else to go to. */
static inline bool service_leaves(const struct service *s)
{
	return s->stopping || s->paused;
}

/* Whether any process of @slot is left, of whatever generation and state. */
bool service_slot_has_process(const struct service *s, unsigned slot);

/* Asks @w to leave, with or without a drain: its end is then no failure. */
void service_retire(struct worker *w, enum worker_event how);

/* Goes on with the rollout, as far as it goes without waiting. */
void service_pump(struct service *s);

/* Whether a rollout under way decides what happens in @slot. */
bool service_rollout_owns(const struct service *s, size_t slot);

/* Closes the listeners that were bound for an app that does not ask for them any more. */
void service_close_unused(struct service *s);
void service_closing_expired(struct loop_timer *timer);

bool service_is_ready(const struct service *s);	  /* all slots serve */
bool service_is_serving(const struct service *s); /* one does */

/*
 * An app of @s listens on @addr: finds or makes the endpoint and its listeners.
 * 0 or -errno with @reason for the app's owner.
 */
int service_endpoint_for(struct service *s, const struct handoff_addr *addr, struct endpoint **ret,
			 struct strbuf *reason);

/*
 * A new listener on @addr, attached to its endpoint if that exists. 0: @fd is the service's.
 * -ENOMEM: it is still the caller's.
 */
int service_add_listener(struct service *s, const struct handoff_addr *addr, uint16_t app_port,
			 bool automatic, int fd);

/* Looks for an endpoint for each listener that has none. */
void service_attach_listeners(struct service *s);

/* Empties and closes one listener: the configuration does not want it any more. */
void service_close_listener(struct listener *l);

/* A listener of any service that a bind of @addr would collide with, or NULL. */
struct listener *listener_find_overlap(struct master *m, const struct handoff_addr *addr);

/* Says why a bind of @addr failed with @error (-errno), and what to do. */
void listener_explain_bind(const struct handoff_addr *addr, int error, struct strbuf *reason);

/* Whether the app of @w listens on @port, at whatever address. */
bool worker_listens_on(const struct worker *w, uint16_t port);

/* @w has a new channel: is it ready with that? */
void service_worker_listens(struct worker *w);

/* Called by worker.c after each change of state; at WORKER_DEAD just before it is freed. */
void service_worker_changed(struct worker *w, enum worker_state from);

/* Connections that workers took, and that wait in channels and in the broker. */
uint64_t service_taken(const struct service *s);
uint64_t service_waiting(const struct service *s);

#endif
