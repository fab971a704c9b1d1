/*
 * worker - what the files of this room, and those above, know of a worker: its processes, channels,
 * output and deadlines.
 *
 * worker_event() (step.h) is the only place that changes its state. What a change means for the
 * service (a slot is empty, a rollout goes on) is the service's: it hears of it by terms::changed.
 */
#pragma once

#include "dispatch/types.h"
#include "policy/health.h"
#include "policy/lines.h"
#include "policy/metrics.h"
#include "policy/recycle.h"
#include "policy/worker_fsm.h"

/* --- terms: what a service tells its workers, as data ------------------------------------ */

struct worker;

/* Embedded in a service; a worker reads it, and calls nothing of the service but .changed. */
struct worker_terms {
	KEPT(kept_terms);
	struct broker *broker;
	struct dispatch *dispatch;
	const struct service_conf *live; /* settings that take effect at once */
	/*
	 * An event was applied to @w, which was @from, or its check has made it well or ill.
	 * Records what that means; it starts, stops
	 * and frees nobody before the next turn of the loop. A worker that is DEAD is the service's
	 * to free from then on.
	 */
	void (*changed)(struct worker *w, enum worker_state from);
};

/* --- a worker -------------------------------------------------------------------------- */

/* What the log knows of a worker that is to end and has a debugger. */
enum traced_said {
	SAID_NOTHING,
	SAID_CLOCK_STOPPED, /* its clock stands still */
	SAID_BROKER_WAITS,  /* the end of the broker waits for it, too */
};

/* A look for the kin of a worker, see ends.c. */
struct kin_look {
	struct pid_set children; /* of the parent */
	size_t at;		 /* of them: the next; 0: no look is under way */
	struct pid_set kin;	 /* found so far; when the look is over: what was known before */
	bool stale, ending, executes, unseen;
	int error;
};

/* What the survey found. */
struct worker_findings {
	unsigned round; /* 0: never looked at */
	int open;	/* connections that its processes hold; negative: could not be read */
	uint64_t rss_bytes, cpu_ms; /* of all its processes that live */
	pid_t tracer;		    /* a debugger of one of them; 0: none */
	int64_t at_ms;		    /* the turn in which that was known */
	struct proc_name tracer_name;
};

/* While a worker drains, no more connections are counted than one above this. */
#define WORKER_OPEN_MAX 1000

#define HELPER_KILLED (-1) /* in place of its status: it took too long */

/* A command that finds out about a worker, see command.h. */
struct helper {
	KEPT(kept_helper);
	struct broker *broker;
	struct worker *worker; /* that it looks after; NULL: none */
	struct loop_source source;
	struct loop_timer limit;
	/* Set before it is started. */
	void (*wrote)(struct helper *h, const char *bytes, size_t n);
	void (*ended)(struct helper *h, int status);
};

/* Its health check, see health.h. */
struct worker_check {
	KEPT(kept_check);
	struct health_probe *probe; /* owned; NULL: it has none */
	struct loop_timer next;	    /* begins one; or while one runs, looks at it */
	struct loop_source source;  /* on .listener, then on .fd */
	struct helper command;
};

struct worker {
	KEPT(kept_worker);
	struct list link;	    /* service::workers in the order of their start, or ::gone */
	struct taker taker;	    /* its side towards the dispatcher */
	struct worker_terms *terms; /* of its service */
	struct service_conf *conf;  /* held: what it was started with */
	struct pid_set kin; /* main has ended: the processes of its tree that became our children */
	struct kin_look kin_look;

	struct loop_timer deadline;
	struct loop_timer settle; /* it listens, but maybe not yet on everything */
	struct loop_timer wake;	  /* it was told to end: does it block in accept? */

	struct worker_check check; /* idle, unless its configuration has one */

	struct proc_look main_look; /* at main, while HELD_BY_STOP */

	struct loop_timer look; /* armed while it is unknown what is left of it */

	struct loop_source process_source;

	uint64_t ran_ns; /* with UDP, while it drains: how long its processes have run, ... */
	int64_t ran_ms;	 /* ... and when that was last seen to change */
	/* Of service/survey.c. */
	unsigned open;		/* connections it holds, when last counted */
	int64_t counted_ms;	/* evidence::begun_ms of what it was compared with last */
	uint64_t taken_before;	/* that: connections that it had taken by then */
	struct proc_fd witness; /* one that it held ... */
	int64_t witness_ms;	/* ... at this time; 0: it held none */
	bool found_none;	/* it drains and holds none, as far as was seen in several turns */

	int64_t move_ms;	  /* when it was last told to give its connections away */
	int64_t lost_look_ms;	  /* when it may be looked at again for the library */
	struct handoff_addr left; /* what it has closed last, and did listen on; family 0: none */
	unsigned greeted; /* so many of its greetings were free of charge: service/rendezvous.c */
	struct worker_findings found;

	char *refusal; /* why the command was not executed, or what about .busy is in use */

	struct loop_source output_source;
	struct lines lines;

	struct helper aside; /* what finds out about one that is .hung */
};

static inline struct worker *worker_of(const struct channel *c)
{
	return container_of(c->taker, struct worker, taker);
}

static inline struct loop *worker_loop(const struct worker *w)
{
	return &w->terms->broker->loop;
}

static inline bool worker_is_ill(const struct worker *w)
{
	return w->check.health.state == HEALTH_ILL;
}

/* It gets nothing more, but runs, and takes what it has by itself. */
static inline bool worker_leaves_round(const struct worker *w)
{
	return w->state == WORKER_DRAINING ||
	       (w->state == WORKER_HELD && !(w->held & HELD_BY_STOP));
}

/* With `wait = yes`: nobody has told it to end, so it finishes what it has in its own time. */
static inline bool worker_finishes_alone(const struct worker *w)
{
	return w->conf->wait && w->state == WORKER_DRAINING && !w->retired_by_us;
}

/*
 * What names a worker in an entry of the log, and so in an event: its service, which is what
 * `events SERVICE` goes by, its name, its main process (the one it had, once that has ended) and
 * generation. The first form is for where another of its processes is meant.
 */
#define LOG_WORKER_PID(w, process)                                                                 \
	LOG_STR("service", (w)->conf->name), LOG_STR("worker", (w)->name),                         \
		LOG_INT("pid", (process)), LOG_INT("generation", (w)->generation)
#define LOG_WORKER(w) LOG_WORKER_PID(w, (w)->pid ? (w)->pid : (w)->main_was)
