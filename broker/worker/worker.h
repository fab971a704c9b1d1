/*
 * worker - one worker: its processes, channels, output, and deadlines.
 *
 * worker_event() is the only place that changes the state; what the state machine asks for
 * is done there. What a change means for the service (a slot is empty, a rollout goes on)
 * is service.c's: it hears of it by service_worker_changed().
 */
#ifndef BROKER_WORKER_WORKER_H
#define BROKER_WORKER_WORKER_H

#include "dispatch/endpoint.h"
#include "base/strbuf.h"
#include "policy/histogram.h"
#include "policy/lines.h"
#include "policy/pins.h"
#include "policy/worker_fsm.h"
#include "sys/page.h"
#include "sys/proc.h"

/*
 * A rendezvous connection: it lasts as long as some process has it, and with it the listening
 * socket. A program that got the socket through exec(3) brings one of its own.
 */
struct channel_holder {
	struct list link; /* channel::holders */
	struct channel *channel;
	pid_t pid; /* who said HELLO, by SO_PEERCRED */
	int fd;	   /* owned */
	struct loop_source source;
};

struct channel {
	struct list link;	       /* worker::channels */
	struct balancer_member member; /* endpoint::round while the worker is in it */
	struct endpoint *endpoint;
	struct worker *worker;
	uint64_t id;
	int tx, rx;	   /* both ends, owned */
	uint64_t rx_inode; /* finds the processes that hold the other copy of rx */
	struct loop_source
		wake;	     /* on tx: a message was taken; armed while the endpoint is paused */
	struct list holders; /* channel_holder::link: who has the socket, as they say */
	struct loop_timer verdict; /* from the end of the last of them to believing it */
	bool broken;		   /* found to be shut down: it is lost, as soon as the loop runs */

	uint64_t sent, taken_back;
	uint64_t sent_unpinned; /* .sent after the last one that is not there for a pin */
	bool robbed;		/* nothing was given since something was taken back */

	struct page page;	 /* what the worker counts; none unless metrics are on */
	struct histogram waited; /* as much of it as is believed */

	/* What watch.c saw last. */
	uint64_t taken_seen;
	int64_t moved_ms;      /* when taken_seen last changed, or the channel was last empty */
	struct proc_look look; /* at the process that listens */
	bool state_read;       /* ... at the last look */
	bool stalled;	  /* got nothing done for stall_timeout: gets one at a time, now and then */
	int64_t probe_ms; /* when a stalled channel is given its next one */
	int64_t probe_delay_ms;
};

/* Reasons to be out of the round; the last that goes lets it in again. */
enum worker_hold {
	HELD_BY_HAND = 1 << 0,	/* until a person says otherwise */
	HELD_BY_STOP = 1 << 1,	/* while its process is stopped */
	HELD_BY_DEBUG = 1 << 2, /* while a debugging session lasts */
};

/* What survey.c found. */
struct worker_findings {
	unsigned round; /* 0: never looked at */
	int open;	/* connections that its processes hold; negative: could not be read */
	unsigned n_processes;
	uint64_t rss_bytes, cpu_ms; /* of all its processes that live */
	pid_t tracer;		    /* a debugger of one of them; 0: none */
	char tracer_name[32];
};

/* For metrics alone: counters that outlive the workers of a slot. */
struct slot_measured {
	uint64_t taken_by_gone, cpu_ms_by_gone;
	uint64_t taken, cpu_ms; /* as said last */
};

struct worker {
	struct list link; /* service::workers, in the order of their start */
	struct service *service;
	struct service_conf *conf; /* held: what it was started with */
	uint64_t id;		   /* unique in the life of a broker */
	unsigned slot, generation;
	unsigned roll;	      /* service::roll of the rollout that started it; 0: none did */
	unsigned replaced_by; /* the generation that it made way for; 0: for none */
	char name[PIN_WORKER_SIZE];
	uint8_t token[HANDOFF_TOKEN_SIZE];
	enum worker_state state;
	uid_t uid;	    /* whom it was started as */
	pid_t pid;	    /* main process; 0 once it has ended */
	struct pid_set kin; /* main has ended: the processes of its tree that became our children */
	struct list channels;
	struct loop_timer deadline;
	struct loop_timer settle;     /* it listens, but maybe not yet on everything */
	int64_t started_ms, ready_ms; /* ready_ms 0: never was */
	int64_t state_since_ms;	      /* when .state last changed */
	struct loop_timer look;	      /* armed while it cannot be seen who is left of it */
	unsigned held;		      /* of enum worker_hold: why it is to be HELD */
	bool seen_running;	      /* HELD_BY_STOP, and at the last look it was not stopped */
	struct proc_look main_look;   /* at main, while HELD_BY_STOP */
	bool pinned_only;	      /* never in the round: for pinned sources alone */
	bool signal_due;	      /* stop_signal waits for a debugger to let go */
	unsigned said_traced;	      /* the log knows: 1, that its clock stands still; 2, that
				       * the broker's end waits for it */
	int64_t traced_since_ms;      /* its clock stands still since then; 0: it runs */
	bool asked;		      /* to leave, by us: its end is no failure */
	pid_t main_was;		      /* the last main process: for messages */
	int exit_status;	      /* of main, as waitpid(2) gives it */
	bool exited;		      /* exit_status is valid */
	bool undecided;		      /* main has ended; what is left of it is not known yet */
	enum worker_state state_before_exit;
	bool guest; /* started by hand, and not ours to end: see guest.h. Its slot is no slot */
	int pidfd;  /* of a guest's process, owned; -1: none, or it has ended */
	struct loop_source process_source;

	unsigned open; /* connections it holds, when last counted */
	struct worker_findings found;
	struct slot_measured measured; /* of a guest, which has no slot */
	uint64_t served;	       /* taken by it, of channels that are closed */

	int status_fd; /* pipe of the launcher, owned; -1 once read */
	struct loop_source status_source;
	char refusal[512]; /* why the command was not executed */

	int output_fd; /* pipe of its output, owned; -1: none */
	struct loop_source output_source;
	struct lines lines;
};

/* A worker that is nowhere linked, without a process. NULL: no memory. */
struct worker *worker_new(struct service *service, struct service_conf *conf, unsigned slot,
			  unsigned generation);
void worker_free(struct worker *w);

/*
 * Starts the process. NULL, with the reason logged, if that failed: nothing is left behind. It
 * belongs to no rollout yet.
 */
struct worker *worker_start(struct service *service, struct service_conf *conf, unsigned slot,
			    unsigned generation);

/* The deadline of its state runs on, by the settings that are in force now. */
void worker_rearm(struct worker *w);
/* Milliseconds until it passes; -1: none runs. */
int64_t worker_deadline_left(const struct worker *w);

/* Steps the state machine and performs what it asks for. May free @w: on EXIT it does. */
void worker_event(struct worker *w, enum worker_event ev);

/* It gets nothing more, but runs, and takes what it has by itself. */
static inline bool worker_leaves_round(const struct worker *w)
{
	return w->state == WORKER_DRAINING ||
	       (w->state == WORKER_HELD && !(w->held & HELD_BY_STOP));
}

/* Into the round with those of its channels that are not in it. @w is READY. */
void worker_publish(struct worker *w);

/*
 * Out of the round for the reason @by, and the end of that reason. What waits at the worker goes to
 * others, what it serves it goes on with. One that does not listen yet is held as soon as it does.
 */
void worker_hold(struct worker *w, enum worker_hold by);
void worker_unhold(struct worker *w, enum worker_hold by);

/*
 * Whether a debugger, strace(1) or the like has a process of @w; *@ret_tracer (may be NULL) is its
 * pid. One that belongs to the worker itself, as in `wrap.0 = strace -f`, counts only while it
 * keeps a process stopped. Reads /proc of every process of the tree.
 */
bool worker_is_traced(const struct worker *w, pid_t *ret_tracer);

/*
 * Whether that is so, or a debugging session lasts, which need not trace (perf). No clock ticks for
 * such a worker, and it is not told to end: see worker.c.
 */
bool worker_is_debugged(const struct worker *w);

/* The same for all workers in a row: looks only at those with a tracer at the last survey. */
bool worker_is_found_debugged(const struct worker *w);

/* Logs, once, that @w is to end and waits for its debugger to let go; if the broker ends, again. */
void worker_say_traced(struct worker *w);

/* Main was reaped with @status. May free @w. */
void worker_main_exited(struct worker *w, int status);

/* A child that was not a main process has ended: if main is gone, who is left? May free @w. */
void worker_look_for_kin(struct worker *w);

/*
 * What names a worker in an entry of the log, and so in an event: its service, which is what
 * `events SERVICE` goes by, its name, process and generation. The second form is for one whose
 * process has ended, or where another of its processes is meant.
 */
#define LOG_WORKER_PID(w, process)                                                                 \
	LOG_STR("service", (w)->conf->name), LOG_STR("worker", (w)->name),                         \
		LOG_INT("pid", (process)), LOG_INT("generation", (w)->generation)
#define LOG_WORKER(w) LOG_WORKER_PID(w, (w)->pid)

/* The settings that take effect at once: of the newest configuration that @w's service has. */
const struct service_conf *worker_live_conf(const struct worker *w);

/* Whether the direct child @pid of the broker belongs to @w, by the kernel's evidence. */
bool worker_owns_child(const struct worker *w, pid_t pid);

/* Fills @ret with every process of the tree. 0; -errno: some may be missing. */
int worker_processes(const struct worker *w, struct pid_set *ret);

/* stop_signal: to main alone, which knows how to end its children; to the rest once it is gone. */
void worker_signal(struct worker *w);
void worker_kill(struct worker *w); /* SIGKILL to every process of the tree */

void worker_output_init(struct worker *w);
int worker_output_watch(struct worker *w);	/* 0 or -errno */
void worker_output_read_last(struct worker *w); /* main has ended: what is still in the pipes */
void worker_output_deinit(struct worker *w);

/*
 * How many connections wait in it now; and c->waited has what the worker has counted since, as far
 * as it can be true.
 */
unsigned channel_look(struct channel *c);

/*
 * How many connections wait in @c now. Only we add to it, so what we count ourselves is never too
 * low: of one that has none the kernel is not asked.
 */
unsigned channel_backlog(const struct channel *c);

/* Whether one waits in @c that came by the round, or for a pin that is off. It asks the kernel. */
bool channel_has_unpinned(const struct channel *c);

uint64_t worker_taken(const struct worker *w);	 /* connections it has taken so far */
unsigned worker_waiting(const struct worker *w); /* in its channels now */

/*
 * A new channel for @e: the app of @w listens. 0, with *@ret_channel the worker's; -errno.
 * Nobody holds it yet: channel_add_holder() comes next.
 */
int worker_add_channel(struct worker *w, struct endpoint *e, struct channel **ret_channel);
struct channel *worker_find_channel(struct worker *w, uint64_t id);

/* Process @pid has the other end of @c and says so on @fd, owned on success. 0 or -errno. */
int channel_add_holder(struct channel *c, int fd, pid_t pid);

/* Whether any process has the other end of @c, asked of the kernel now. */
bool channel_has_holder(struct channel *c);

/* Nothing can be sent into @c any more. It gets none, and is lost when the loop runs next. */
void channel_break(struct channel *c);

/* Whether @c may have connections: some process says that it has the other end. */
static inline bool channel_is_usable(const struct channel *c)
{
	return !c->broken && !list_empty(&c->holders);
}

/* Whether the process that listens is stopped: see proc_is_stopped(), proc_stays_stopped(). */
bool channel_is_stopped(struct channel *c);
bool channel_stays_stopped(struct channel *c);

/* @c gets none until it takes something, but one now and then to see whether it does. */
void channel_shun(struct channel *c);

/* Sends one connection; as channel_send(). On CHANNEL_DONE the books are kept. */
int channel_give(struct channel *c, const struct handoff_conn *conn, int fd);

/* Everything that waits in @c is dispatched again. Returns how many. */
unsigned channel_take_back(struct channel *c, const char *reason);

void channel_close(struct channel *c);

#endif
