/*
 * service - the workers of one [service:NAME] section and what keeps their number right.
 *
 *	slots[i].current   serves, or is about to
 *	slots[i].next      starts beside it to replace it (start-first rollout)
 *	workers            all that live, also those that drain or stop
 *
 * What a worker reports is recorded at once, and acted on when the service settles, in the next
 * turn of the loop: see life.h.
 */
#pragma once

#include "policy/rollout.h"
#include "policy/why.h"
#include "worker/types.h"

struct slot {
	KEPT(kept_slot);
	struct worker *current, *next;
};

/* Why workers are replaced. Both go the same way, slot by slot. */
enum roll_kind {
	ROLL_RELOAD,  /* all of them, to a configuration that then is in force */
	ROLL_RESTART, /* one, to what it was */
};

static inline const char *roll_kind_name(enum roll_kind kind)
{
	return kind == ROLL_RELOAD ? "reload" : "restart";
}

/* What a rollback would go back to. Whom that brings back, and until when, is in terms.park. */
struct rollback {
	struct service_conf *conf; /* NULL: there is nothing to go back to */
	unsigned generation;	   /* of conf */
	unsigned want;		   /* workers wanted before the reload */
	struct loop_timer over;	   /* armed while the window is open: the rollout has ended */
};

/* See idle_end.h. */
struct idle_end {
	struct loop_timer step;
	struct held *known; /* of the last pass, sorted */
	size_t n_known;
	bool said; /* why it cannot be done */
	/* The pass under way. */
	uint64_t worker; /* the id of the one that is looked at; those before it were */
	struct tree_walk
		tree;	    /* .pids: its processes still to be looked at, the last of them now */
	bool listed;	    /* all of them are in it */
	struct dir *dir;    /* of the last, or NULL */
	struct held *found; /* array_grow() */
	size_t n_found;
};

struct service {
	KEPT(kept_service);
	struct list link; /* broker::services */
	struct broker *broker;
	struct dispatch dispatch;
	struct worker_terms terms;
	struct service_conf *conf;   /* in force: what a crashed worker is replaced by */
	struct service_conf *target; /* of the rollout under way, else NULL */
	struct service_conf *after;  /* a reload came during it: the next target, else NULL */
	struct slot slots[ROLLOUT_MAX];
	struct slot_trouble troubles[ROLLOUT_MAX]; /* large, but in memory only where it is used */
	struct list workers;			   /* worker::link, all that live */
	struct list gone; /* worker::link: DEAD, freed when the service settles */
	struct loop_timer settle;
	bool one_started_less; /* since it settled: other services may have waited for that */
	struct rollout rollout;
	struct rollback rollback;
	struct loop_timer probation; /* of the rollout under way */
	struct loop_timer recycle;   /* while there are limits, or a worker is to be replaced */
	struct loop_timer closing_timer;
	struct loop_timer pin_timer; /* the first of them expires */
	struct idle_end idle_end;
};

static inline struct service *service_of(const struct worker *w)
{
	return container_of(w->terms, struct service, terms);
}

/* The rollout under way has started @w. */
static inline bool worker_is_of_rollout(const struct worker *w)
{
	const struct service *s = service_of(w);

	return s->rollout.active && w->rollout_number == s->rollout_number;
}

static inline struct service *service_of_dispatch(struct dispatch *d)
{
	return container_of(d, struct service, dispatch);
}

static inline struct loop *service_loop(const struct service *s)
{
	return &s->dispatch.broker->loop;
}

/* What was recorded is acted on: see life.h. */
static inline void service_settle_within(struct service *s, int64_t ms)
{
	if (!loop_timer_armed(&s->settle) || s->settle.at_ms > loop_now(service_loop(s)) + ms)
		loop_timer_arm(service_loop(s), &s->settle, ms);
}

static inline void service_settle_soon(struct service *s)
{
	service_settle_within(s, 0);
}

/* All of it goes: nothing new is accepted, and what was accepted has nobody else to go to. */
static inline bool service_leaves(const struct service *s)
{
	return dispatch_leaves(&s->dispatch);
}

/* It has no listener either, as service_stop_by_hand() leaves it. */
static inline bool service_is_stopped(const struct service *s)
{
	return s->dispatch.paused && list_empty(&s->dispatch.listeners);
}

static inline const char *service_name(const struct service *s)
{
	return s->name;
}

/* What names it in an entry of the log, and so in an event; of a worker, LOG_WORKER() does. */
#define LOG_SERVICE(s) LOG_STR("service", (s)->name)

/* --- questions.c: what is asked of a service -------------------------------------------- */

/* The service of that name; an ending one only if no other service has the name. NULL: none. */
struct service *service_find(const struct broker *b, const char *name);

/* With `wait = yes`: a client that comes gets a worker, whether one runs now or not. */
static inline bool service_awaits_client(const struct service *s)
{
	return s->conf->wait && !s->backoff.failures;
}

unsigned service_count_started(const struct service *s); /* of the slots that are wanted */

static inline bool service_is_ready(const struct service *s)
{
	return service_awaits_client(s) || service_count_started(s) == s->want;
}

/* Slots whose worker is ready, takes connections as far as is known, and passes its check. */
unsigned service_count_well(const struct service *s);

static inline bool service_is_serving(const struct service *s)
{
	return service_awaits_client(s) || service_count_well(s) > 0;
}

/* Whether anybody gets connections that are pinned to nobody: a guest may, too. */
bool service_has_round(const struct service *s);

bool service_slot_has_process(const struct service *s, unsigned slot);

/* Whether a rollout under way decides what happens in @slot. */
bool service_rollout_owns(const struct service *s, size_t slot);

/* 0: it may be steered by hand. -ESHUTDOWN: it ends or is paused; -EBUSY: a rollout has to end. */
int service_check_steering(const struct service *s, struct strbuf *error);

/* What a reload is told that did not come to its end. NULL is a service that is gone. */
const char *service_end_text(const struct service *s);

/*
 * Adds what the rollout under way waits for now, if for anything: "web.1 to listen (2 s, 28 s
 * left)". A service that never had one waits for all that start.
 */
void service_rollout_text(const struct service *s, struct strbuf *out);
