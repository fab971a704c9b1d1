/*
 * notice - tells later rooms what happens to workers and rollouts: the parent, and clients that
 * wait for a reload or debug a worker.
 *
 * Observers are called at once and in order. An observer records or sends; it does not change
 * workers or services. If it must, it arms a timer.
 */
#pragma once

#include "core/broker.h"
#include "policy/worker_fsm.h"

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

const char *roll_phase_name(enum roll_phase phase);

struct observer {
	struct list link; /* broker::observers */

	/* Any may be NULL. */

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

void notice_observe(struct broker *b, struct observer *o);

void notice_worker(struct broker *b, const struct worker *w, enum worker_state from,
		   enum worker_event ev);
/* Also adds @pid, the main process of @w, to broker::started. */
void notice_process_started(struct broker *b, const struct worker *w, pid_t pid);
void notice_rollout(struct broker *b, const struct service *s, enum roll_phase phase,
		    const struct worker *w);
void notice_asked(struct broker *b);
