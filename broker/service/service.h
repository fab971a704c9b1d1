/*
 * service - the workers of one [service:NAME] section and what keeps their number right.
 *
 *	slots[i].current   serves, or is about to
 *	slots[i].next      starts beside it to replace it (start-first rollout)
 *	workers            all that live, also those that drain or stop
 */
#ifndef BROKER_SERVICE_SERVICE_H
#define BROKER_SERVICE_SERVICE_H

#include "core/notice.h"
#include "worker/worker.h"
#include "policy/backoff.h"
#include "policy/histogram.h"
#include "policy/pins.h"
#include "policy/rollout.h"
#include "policy/worker_end.h"
#include "base/strbuf.h"

/* How the last process of a slot ended that nobody had asked to. */
struct slot_trouble {
	enum worker_end end;
	char words[64];	       /* "exit 1", "signal 11 (SIGSEGV)" */
	char last_output[256]; /* the last line that it wrote; empty: none */
	int64_t at_ms;	       /* of the loop's clock */
	unsigned in_a_row;     /* it, and those before it, without a healthy one between */
};

struct slot {
	struct worker *current, *next;
	unsigned restarts; /* processes that ended unasked, and so were replaced */
	int64_t left_ms;   /* when its last process did, on the loop's clock; 0: none has */
	struct slot_trouble *trouble; /* NULL: never, or not worth a word; see service_trouble() */
	struct slot_measured measured;
};

/* For metrics alone: nothing is decided by it. */
struct service_measured {
	struct histogram handed;  /* accept to send, of each connection that was sent */
	struct histogram waited;  /* accept to the worker's accept, of channels that are closed */
	struct histogram started; /* start of a worker until it was ready */
	struct histogram reloads; /* duration of those that were done */
	uint64_t taken;		  /* as said last */
};

/* Why workers are replaced. Both go the same way, slot by slot. */
enum roll_kind {
	ROLL_RELOAD,  /* all of them, to a configuration that then is in force */
	ROLL_RESTART, /* one, to what it was */
};

/* What a rollback would go back to. */
struct rollback {
	struct service_conf *conf; /* NULL: there is nothing to go back to */
	unsigned generation;	   /* of conf */
	unsigned want;		   /* workers wanted before the reload */
	unsigned undoes;	   /* the generation that leaves then */
	int64_t window_ms;	   /* from the end of the rollout on */
	bool open;		   /* the window: the rollout has ended */
	struct loop_timer over;	   /* armed while it is */
};

struct service {
	struct list link; /* broker::services */
	struct broker *broker;
	struct service_conf *conf;   /* in force: what a crashed worker is replaced by */
	struct service_conf *target; /* of the rollout under way, else NULL */
	struct service_conf *after;  /* a reload came during it: the next target, else NULL */
	unsigned want;		     /* workers wanted: conf->workers, moved by hand */
	unsigned generation;	     /* in force */
	unsigned last_generation;    /* given out */
	enum roll_kind roll_kind;    /* of the rollout under way, or the last */
	unsigned roll;		     /* its number, see worker::roll; they only grow */
	unsigned target_generation;
	unsigned want_before; /* the rollout; an abort goes back to it */
	struct slot slots[ROLLOUT_MAX];
	struct list workers;   /* worker::link */
	struct list endpoints; /* endpoint::link */
	struct list listeners; /* listener::link */
	struct rollout rollout;
	bool pumping;			   /* service_pump() is on the stack */
	char abort_reason[256];		   /* of the rollout under way, or the last; empty: none */
	char abort_output[LINES_TAIL + 1]; /* what the worker that failed wrote last */
	int64_t rollout_began_ms;
	int64_t last_reload_ms; /* how long the last one took, done or aborted; -1: none yet */
	uint64_t reloads_done, reloads_aborted;
	struct rollback rollback;
	uint64_t ends[WORKER_END_N]; /* of workers that were replaced for it */
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
	struct pins pins;
	struct loop_timer pin_timer; /* the first of them expires */
	uint64_t served_by_gone;     /* taken by workers that have ended */
	struct service_measured measured;
};

/* NULL: no memory. Takes a reference to @conf. Nothing is started yet. */
struct service *service_new(struct broker *b, struct service_conf *conf);
void service_free(struct service *s); /* no worker may be left */

const char *service_name(const struct service *s);

/* The service of that name; one that ends only if no other has it by now. NULL: there is none. */
struct service *service_find(const struct broker *b, const char *name);

/* Starts what is missing, as far as back-off and rollout allow. */
void service_fill(struct service *s);

/*
 * Rolls every worker to @conf (a reference is taken). During a rollout: once more afterwards.
 * Returns the generation that the new workers have or will have; 0: the service ends.
 */
unsigned service_roll(struct service *s, struct service_conf *conf);

/*
 * Steering by hand. All of these return 0, or -errno with @error in words and nothing changed:
 * -EBUSY while a rollout is under way that would have to end first, -ESHUTDOWN while the service
 * ends or is paused, -ENOENT if there is nothing of the kind, -EINVAL for a wrong argument, and
 * what opening a listener or the descriptor limit may give.
 */

/*
 * Replaces @w by a new process of the same generation and configuration, in the order that
 * `strategy` says; returns when that has begun. @w must be the current worker of its slot. With
 * start-first a new one that does not start leaves @w serving.
 */
int service_restart_worker(struct worker *w, struct strbuf *error);

/* @n workers from now on, 1 to ROLLOUT_MAX; until the next reload or rollback. */
int service_set_workers(struct service *s, unsigned n, struct strbuf *error);

/*
 * Ends the rollout under way (a reload or a restart) as if a new worker had not started, and
 * drops the reload that waits behind it.
 */
int service_abort_reload(struct service *s, struct strbuf *error);

/*
 * Puts the generation before the last reload back: all workers of it that are left serve again at
 * once, then the new ones leave. Its configuration is in force again, and its number of workers,
 * whatever was said by hand since. Slots whose old worker has ended are started anew. -ENOENT also
 * if none of the old ones is left.
 */
int service_rollback(struct service *s, struct strbuf *error);

/* Milliseconds for which service_rollback() is possible; -1: it is not. */
int64_t service_rollback_left(const struct service *s);

/* @conf (whose reference it takes over) and its number are in force from now on. */
void service_put_in_force(struct service *s, struct service_conf *conf, unsigned generation);

/* --- of service_rollback.c, for the other files of the service ------------------------- */

/* A reload begins: what it replaces may come back. @conf is the one that it goes to. */
void service_keep_for_rollback(struct service *s, const struct service_conf *conf);

/* The rollout has ended, done or aborted: the window begins, if anybody could come back. */
void service_open_window(struct service *s);

/* Nobody comes back: who is parked is told to end. */
void service_close_window(struct service *s);

/* Whether @w, once drained, is kept for a rollback; and for how long from now. */
bool service_parks(const struct worker *w);
int64_t service_parks_for(const struct worker *w);

/* The live settings have changed: the deadlines that run are reckoned anew. */
void service_rearm(struct service *s);

/* --- what people and programs are told ------------------------------------------------- */

/* The one place where the steps of a rollout are announced; @w as above, else NULL. */
void service_announce(struct service *s, enum roll_phase phase, const struct worker *w);

/* "reload" or "restart", "start". */
const char *roll_kind_name(enum roll_kind kind);

/*
 * What the rollout under way waits for now: "web.1 to listen (2 s, 28 s left)"; a service that
 * never had one waits for all that start. Nothing is added if there is none, or it waits for
 * nothing.
 */
void service_rollout_text(const struct service *s, struct strbuf *out);

/* @w has left its slot unasked, and will be replaced: counts it and remembers how it ended. */
void service_note_end(struct worker *w, bool starting);
/* The same of one that could not be started at all. */
void service_note_no_start(struct service *s, unsigned slot);
/* How @w ended, or is about to: for service_note_end() and messages. */
struct worker_end_facts service_end_facts(const struct worker *w, bool starting);

/*
 * The last trouble of a slot, for people. NULL: none, or it is over, as the present worker has
 * served for backoff_reset.
 */
const struct slot_trouble *service_trouble(const struct service *s, unsigned slot);
void service_free_troubles(struct service *s);

/* The service leaves, and a rollout under way ends with it, for the reason @why. */
void service_drop_rollout(struct service *s, const char *why);

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

/* What a reload is told that did not come to its end. NULL is a service that is gone. */
const char *service_leave_text(const struct service *s);

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

/* Whether anybody gets connections that are pinned to nobody: a guest may, too. */
bool service_has_round(const struct service *s);

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

/*
 * Binds what the app of @w asks for and no listener provides any more, nor a `listen` line of its
 * configuration will. 0 or -errno with @error.
 */
int service_reopen_for(struct worker *w, struct strbuf *error);

/* The endpoint of @s whose app asks for exactly @addr, if a worker that is to stay does; or NULL.
 */
struct endpoint *service_endpoint_asking_for(struct service *s, const struct handoff_addr *addr);

/* Looks for an endpoint for each listener that has none. */
void service_attach_listeners(struct service *s);

/* Empties and closes one listener: the configuration does not want it any more. */
void service_close_listener(struct listener *l);

/* A listener of any service that a bind of @addr would collide with, or NULL. */
struct listener *listener_find_overlap(struct broker *b, const struct handoff_addr *addr);

/* Says why a bind of @addr failed with @error (-errno), and what to do. */
void listener_explain_bind(const struct handoff_addr *addr, int error, struct strbuf *reason);

/* Whether the app of @w listens on @port, at whatever address. */
bool worker_listens_on(const struct worker *w, uint16_t port);

/* Whether the app of @w listens on all that the `listen` lines name, and on anything at all. */
bool worker_listens_as_configured(const struct worker *w);

/* @w has a new channel: is it ready with that? */
void service_worker_listens(struct worker *w);

/* Called by worker.c after each change of state; at WORKER_DEAD just before it is freed. */
void service_worker_changed(struct worker *w, enum worker_state from);

#endif
