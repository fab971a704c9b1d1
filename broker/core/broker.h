/*
 * broker - what every part of a running broker shares, and nothing that only one of them needs. It
 * knows no control socket, no web server and no parent.
 */
#pragma once

#include <sys/resource.h>
#include "policy/hand.h"
#include "policy/kept.h"
#include "policy/scheduling.h"
#include "policy/worker_fsm.h"
#include "sys/loop.h"
#include "sys/tree.h"

/*
 * Clients of the broker's own servers at a time. WEB_DESCRIPTORS is they, one that was just
 * accepted, and for each of two servers its old and new socket.
 */
#define CONTROL_CLIENTS_MAX 64
#define CONTROL_READERS_MAX 48 /* so many, and members of control_group are no more let in */
#define WEB_CLIENTS_MAX	    64
#define WEB_DESCRIPTORS	    (WEB_CLIENTS_MAX + 1 + 2 * 2)

struct broker;

/* What every worker is started with. */
struct broker_launch {
	char *shim, *library;	/* paths of the launcher and the preloaded library; owned */
	const char *rendezvous; /* path of the socket */
	void (*restore)(struct broker *b); /* makes it again if it has vanished; run.c's */
	struct rlimit nofile;		   /* as the broker was started; workers get it back */
};

/* A look at what the kernel says of connections, and of workers one by one: service/survey.c. */
struct evidence {
	struct loop_timer step;
	struct sockdiag_walk sockets;
	int64_t begun_ms; /* one that began to drain later is not in it */
	int64_t next_ms;  /* it may begin again */
	bool complete;	  /* .sockets is, and workers are compared with it */
	struct tree_walk tree;
	int64_t tree_ms; /* that was begun */
	uint64_t worker; /* that it is of; 0: none */
};

void evidence_end(struct evidence *e); /* at any time */

struct broker {
	KEPT(kept_broker);
	struct loop loop;
	const struct broker_conf *conf; /* [broker] as it was read last */
	struct broker_launch launch;
	struct list services;	/* service::link */
	struct list observers;	/* observer::link */
	struct mover *mover;	/* service/move.h's */
	struct pid_set started; /* processes of ours that nobody has to adopt: main ones, we */
	struct scheduling scheduling;
	struct evidence evidence;
	struct loop_timer watch; /* what no event reports is looked at; see service/watch.c */
	struct loop_timer tidy;	 /* .expired is run.c's: has a service ended, are all ready? */
	struct kept_hand *hand;	 /* of the shadow, or one of no use to anybody; never NULL */
	int spare_fd;		 /* owned; -1: given up to take a connection back */
	unsigned max_starting;	 /* workers that start at a time */
	bool measuring;		 /* metrics are on: times are taken */
	bool scheduling_said;	 /* that it cannot be what the file says */
	bool stopping;		 /* the whole broker ends */
};

/* The loop is the caller's to begin. */
void broker_init(struct broker *b);
void broker_deinit(struct broker *b);

/* A connection waits, or a worker drains: look at it soon. Cheap if that is due already. */
void broker_watch(struct broker *b);

/*
 * A service may have ended or become ready. That is looked at in the next turn of the loop: the
 * caller may still stand in the middle of it.
 */
void broker_tidy(struct broker *b);

/*
 * Looks at how fast connections come, and makes the broker a batch process or an ordinary one.
 * Returns whether it has to be asked again soon.
 */
bool broker_schedule(struct broker *b);

/* --- observers ------------------------------------------------------------------------------- */

struct service;
struct worker;

/* The steps of a rollout. */
enum roll_phase {
	ROLL_BEGIN,
	ROLL_START,	/* a new worker was started */
	ROLL_READY,	/* a new worker serves */
	ROLL_RETIRE,	/* an old worker was told to leave */
	ROLL_PROBATION, /* all workers are new, and may still be found bad */
	ROLL_DONE,
	ROLL_ABORTED,
};

extern const char *const roll_phase_names[];

/*
 * What a later room hears of workers and rollouts: the parent, and clients that wait for a reload
 * or debug a worker. Observers are called at once and in order. One records or sends; it does not
 * change workers or services. If it must, it arms a timer. Any function may be NULL.
 */
struct observer {
	struct list link; /* broker::observers */

	/* @ev was applied to @w, which was @from before. */
	void (*worker)(struct observer *o, const struct worker *w, enum worker_state from,
		       enum worker_event ev);
	/* @w has a new main process. */
	void (*process)(struct observer *o, const struct worker *w);
	/* A step of the rollout of @s; @w is the worker of that step, or NULL. */
	void (*rollout)(struct observer *o, const struct service *s, enum roll_phase phase,
			const struct worker *w);
	/* The broker as a whole is asked to reload, which may be refused; or to end. */
	void (*asked)(struct observer *o);
};

/* Calls @what of all observers, with what follows. */
#define notice(b, what, ...)                                                                       \
	do {                                                                                       \
		list_for_each (struct observer, o_, &(b)->observers, link)                         \
			if (o_->what)                                                              \
				o_->what(o_, ##__VA_ARGS__);                                       \
	} while (0)

/* @w has the new main process @pid, which is added to broker::started. */
void notice_process_started(struct broker *b, const struct worker *w, pid_t pid);
