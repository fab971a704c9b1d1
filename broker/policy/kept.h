/*
 * kept - what outlives an execve(2) of the broker, as plain records: numbers instead of pointers,
 * descriptors by their number, times on CLOCK_MONOTONIC.
 *
 * Each record is part of its object, not a copy beside it:
 *
 *	struct listener {
 *		KEPT(kept_listener);	its fields are the listener's: l->fd, l->addr
 *		...			what can be found again: links, sources, timers
 *	};
 *
 * The bytes have a fixed order that says what belongs to what. So no record needs a reference,
 * except that a channel names its worker, and what has a configuration the number of that:
 *
 *	GIVEN* RUN RUN_DIR LOG EVENT* PATH* (CONF NAMES?)* SERVICE_CONF* MASTER BROKER
 *	(SERVICE DISPATCH TERMS ROLLOUT (SLOT TROUBLE?)* PIN* (WORKER KIN OUTPUT REFUSAL)* LISTENER*
 *	 (ENDPOINT LISTENER* PENDING* (CHANNEL HOLDER*)*)*)*
 *	GREETING* (CLIENT CLIENT_IN CLIENT_OUT REQUEST (EVENTS | ROLL | SESSION | UPGRADE))* FDS
 *
 * Listeners directly after their service feed no endpoint yet.
 *
 * Programs of different versions read each other's bytes. New fields are added at the end of a
 * record, new kinds at the end of the list: a longer record than this program's is cut, a shorter
 * one has zeros there. So zero must mean in a new field what was so before it, and no descriptor is
 * below 3. What an older program may pass over has KEPT_OPTIONAL; other kinds are refused by it.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"
#include "handoff_process.h"
#include "policy/asked.h"
#include "policy/backoff.h"
#include "policy/health.h"
#include "policy/histogram.h"
#include "policy/lines.h"
#include "policy/pins.h"
#include "policy/recycle.h"
#include "policy/rollout.h"
#include "policy/why.h"
#include "policy/worker_end.h"
#include "policy/worker_fsm.h"

/* Grows when the meaning of what is there changes: bytes of another version are refused. */
#define KEPT_VERSION 4

/* The fields of @record become those of the object around it; .kept is all of them. */
#define KEPT(record)                                                                               \
	union {                                                                                    \
		struct record kept;                                                                \
		struct record;                                                                     \
	}

enum kept_kind {
	KEPT_BROKER,
	KEPT_MASTER,
	KEPT_SERVICE,
	KEPT_DISPATCH,
	KEPT_SLOT,
	KEPT_PIN,
	KEPT_WORKER,
	KEPT_ENDPOINT,
	KEPT_LISTENER,
	KEPT_PENDING,
	KEPT_CHANNEL,
	KEPT_HOLDER,
	KEPT_TERMS,
	KEPT_ROLLOUT,	   /* text: struct rollout, with as many of .slots as matter */
	KEPT_TROUBLE,	   /* of the slot before it */
	KEPT_KIN,	   /* text: pids */
	KEPT_OUTPUT,	   /* text: the end of what the worker has written, with half a line */
	KEPT_REFUSAL,	   /* text */
	KEPT_PATH,	   /* text: the next name of base/paths.h, from 1 on */
	KEPT_CONF,	   /* text: struct conf_source. The next number, from 1 on */
	KEPT_NAMES,	   /* text: struct conf_names of the CONF before it */
	KEPT_SERVICE_CONF, /* text: service_conf_keep(). The same by itself */
	KEPT_RUN,	   /* from here on: of the program, not of its services */
	KEPT_RUN_DIR,	   /* text: its path */
	KEPT_EVENT,	   /* text: struct event */
	KEPT_LOG,	   /* text: what its reader has not taken yet */
	KEPT_GIVEN,	   /* see sys/given.h */
	KEPT_GREETING,
	KEPT_CLIENT,
	KEPT_CLIENT_IN,	 /* text: of the client before it, received and not read yet */
	KEPT_CLIENT_OUT, /* text: to be sent */
	KEPT_REQUEST,	 /* text: words, each terminated, of what is being answered */
	KEPT_EVENTS,	 /* text: the id of the next event that it follows */
	KEPT_ROLL,	 /* text: that it waits for: control/roll.c */
	KEPT_SESSION,	 /* text: in which it debugs a worker: control/debug.c */
	KEPT_UPGRADE,	 /* text: it waits for this one */
	KEPT_FDS, /* text: all descriptors that the records before it name, for any program */
	KEPT_KIND_N
};

#define KEPT_OPTIONAL (1u << 31)

/*
 * Where every accepted connection has gone. At any time
 *
 *	accepted + moved = (sent - taken_back) + client_gone + refused + waiting in the broker
 *	sent - taken_back = taken by workers + waiting in channels
 */
struct ledger {
	uint64_t accepted;
	uint64_t sent;	      /* messages put into channels */
	uint64_t taken_back;  /* messages received back from them */
	uint64_t client_gone; /* found dead while the broker held them */
	uint64_t refused;     /* closed by the broker: shutdown without a worker, no memory */
	uint64_t no_memory;   /* of the refused, those for the latter */
};

static inline void ledger_add(struct ledger *to, const struct ledger *from)
{
	to->accepted += from->accepted;
	to->sent += from->sent;
	to->taken_back += from->taken_back;
	to->client_gone += from->client_gone;
	to->refused += from->refused;
	to->no_memory += from->no_memory;
}

/* Whether a listening socket outlives the broker, as the service manager has it, too. */
enum given_by {
	GIVEN_NOT,
	GIVEN_UNIT,  /* it has made it: see sys/given.h */
	GIVEN_STORE, /* it keeps it for us */
};

/* See struct helper. */
struct kept_helper {
	pid_t pid; /* 0: none runs */
	int fd;	   /* owned; its processes have the other end */
	int64_t started_ms;
	int64_t limit_at_ms; /* filled in when it is written */
};

/* What the program itself has. */
struct kept_run {
	int64_t given_ms; /* loop::given_ms */
	uint64_t longest_turn_ns;
	struct histogram turns;
	uint64_t nofile_soft, nofile_hard; /* that it was started with */
	uint64_t next_event;
	int dir_fd, lock_fd, pid_fd, rendezvous_fd; /* of struct rundir */
	int control_fd, log_fd, ready_fd, web_fd[2];
	int parent_fd, children_fd; /* as sys/starter.c has them, and the next three */
	pid_t parent, shadow;	    /* see shadow.h */
	uint32_t parent_number, parent_late, parent_ended, control_group;
	bool shared, parent_stays, stopping; /* rundir::shared; root; the broker ends */
	char given_oom_score[16];
	uint64_t written_ns, log_lost; /* when; entries */
	uint64_t n_stored;	       /* descriptors in the store of the service manager */
	unsigned told;		       /* as struct systemd has it */
	int hand_fd, twin_fd[2];
	int64_t heard_ms; /* loop::heard_ms; 0: of a program that does not say */
	int relay_fd;
	struct kept_helper relay; /* of struct mover */
	uint64_t relay_seats, relay_conns;
};

struct kept_given {
	int fd;
	enum given_by by;
	bool taken; /* by a listener, which gives it back to given_close() */
};

struct kept_greeting {
	int fd;		  /* owned */
	uint64_t channel; /* WELCOME to it is due; 0: HELLO has not come */
};

struct kept_client {
	int fd; /* owned */
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct kept_broker {
	struct {
		uint64_t conn, channel, worker;
		uint32_t listener, guest;
	} given;		/* numbers, each once in the life of a broker: the last ones */
	struct ledger gone;	/* of services that have ended */
	uint64_t taken_by_gone; /* connections that their workers took */
	uint64_t moved_by_gone; /* ... and those that came back, to be taken again */
};

struct kept_master {
	int64_t started_ms;
	uint64_t started_unix_ms; /* the same by the calendar, for metrics */
	uint64_t reloads_refused;
	bool ready;				 /* all services have been, once */
	uint32_t conf_number, conf_start_number; /* of CONF; filled in when it is written */
};

/* For metrics alone: nothing is decided by it. */
struct service_measured {
	struct histogram reloads; /* duration of those that were done */
	uint64_t taken;		  /* as said last */
	uint64_t ended_idle;	  /* connections that were ended between two requests */
};

struct kept_service {
	char name[HANDOFF_SERVICE_SIZE];
	unsigned want;		  /* workers wanted: as configured, moved by hand */
	unsigned generation;	  /* in force */
	unsigned last_generation; /* given out */
	unsigned rollout_number;  /* of the rollout under way, or the last; they only grow */
	uint64_t reloads_done, reloads_aborted;
	uint64_t ends[WORKER_END_N]; /* of workers that were replaced for it */
	struct backoff backoff;
	int64_t last_failure_ms;
	uint64_t served_by_gone; /* connections taken by workers that have ended */
	unsigned target_generation;
	unsigned want_before;	  /* the rollout; an abort goes back to it */
	unsigned roll_kind;	  /* enum roll_kind: of the rollout under way, or the last */
	struct handoff_addr busy; /* nothing is started before this is free; family 0: none */
	uint64_t first_datagram;  /* that its program was started for, see udp_head() */
	bool all_ill;		  /* the checks of all workers fail, and the log has said so */
	bool fewer_ports;	  /* the rollout is to give up addresses of the old workers */
	bool closing;		  /* listeners are being emptied */
	char abort_reason[512];	  /* of the rollout under way, or the last; empty: none */
	char abort_output[LINES_TAIL + 1]; /* what the worker that failed wrote last */
	int64_t rollout_began_ms;
	unsigned restored;	  /* workers that the abort of the last rollout put back */
	uint64_t accepted_before; /* the rollout began: of the ledger */
	struct daily restart_at;
	int64_t restart_at_ms; /* workers that were started before then are due; 0: none */
	int64_t closing_since_ms;
	int64_t handover_until_ms; /* until then, or until others are ready, it serves on; or 0 */
	struct service_measured measured;
	/* These are filled in when it is written. */
	uint32_t conf_number, target_number, after_number,
		rollback_number; /* of SERVICE_CONF; 0: none */
	unsigned rollback_generation, rollback_want;
	int64_t window_at_ms, probation_at_ms; /* timers; 0: not armed */
};

/* Workers that a rollback may put back are parked, not told to end. */
struct park_terms {
	unsigned undoes;   /* those that made way for this generation; 0: none */
	int64_t window_ms; /* for so long, from the end of the rollout on */
	int64_t until_ms;  /* the end of that, once it has begun; else 0 */
};

/* See struct worker_terms. */
struct kept_terms {
	struct park_terms park;
	struct histogram started; /* start of a worker until it was ready */
	/* Of processes of one connection: how they ended, and how long they lasted. */
	uint64_t ends[3];
	struct histogram lasted;
};

struct kept_dispatch {
	struct ledger ledger;
	bool paused;		 /* nothing is accepted until the next reload */
	bool stopping;		 /* nothing new comes, and what was accepted has nobody else */
	struct histogram handed; /* accept to send, of each connection that was sent */
	struct histogram waited; /* accept to the worker's accept, of channels that are closed */
	uint64_t moved;		 /* taken by a worker that drained, and given to another */
};

/* For metrics alone: counters that outlive the workers of a slot. */
struct slot_measured {
	uint64_t taken_by_gone, cpu_ms_by_gone, taken, cpu_ms; /* the last two as said last */
};

/* See struct worker_check. */
struct kept_check {
	struct health health;
	bool running;
	bool awaited;	  /* it listens, and is STARTING until its check has passed */
	bool said_cannot; /* the log has it that it could not be checked */
	int64_t began_ms;
	int listener, fd;	  /* owned; -1: none. .fd is our end of a connection */
	struct handoff_addr addr; /* of our end */
	uint64_t channel;	  /* that the other end went into; 0: it did not yet */
	char answer[HEALTH_TEXT_MAX];
	size_t n_answer;
	bool judged;		   /* the rest of the answer is thrown away */
	char why[160];		   /* the last one failed; empty: it has passed */
	struct kept_helper helper; /* filled in when it is written */
};

struct kept_slot {
	unsigned restarts; /* processes that ended unasked, and so were replaced */
	int64_t left_ms;   /* when its last process did, on the loop's clock; 0: none has */
	struct slot_measured measured;
};

struct kept_worker {
	uint64_t id; /* unique in the life of a broker */
	unsigned slot, generation;
	unsigned rollout_number; /* of the rollout that started it; 0: none did */
	unsigned replaced_by;	 /* the generation that it made way for; 0: for none */
	char name[PIN_WORKER_SIZE];
	uint8_t token[HANDOFF_TOKEN_SIZE];
	enum worker_state state;
	uid_t uid;		      /* the user that it was started as */
	pid_t pid;		      /* main process; 0 once it has ended */
	int64_t started_ms, ready_ms; /* ready_ms 0: never was */
	int64_t state_since_ms;	      /* when .state last changed; its deadline runs from here */
	unsigned held;		      /* of enum worker_hold: why it is to be HELD */
	bool proven;		      /* it has taken a connection */
	bool pinned_only;	      /* never in the round: for pinned sources alone */
	bool retired_by_us;	      /* we asked it to leave: its end is no failure */
	bool guest;    /* started by hand, and not ours to end: see guest.h. Its slot is no slot */
	int pidfd;     /* of a guest's process, owned; -1: none, or it has ended */
	int status_fd; /* pipe of the launcher, owned; -1 once it is ready */
	int output_fd; /* pipe of its output, owned; -1: none */
	uint64_t served; /* connections taken by it, of channels that are closed */

	pid_t main_was;	     /* the last main process: for messages */
	int exit_status;     /* of main, as waitpid(2) gives it */
	bool exited;	     /* exit_status is valid */
	bool has_udp;	     /* it shares a socket for datagrams (asks.h) */
	bool moved;	     /* main has ended after it listened: a child took its place */
	bool undecided;	     /* main has ended; what is left of it is not known yet */
	bool beyond_us;	     /* the kernel has refused to kill any process of it */
	bool signal_due;     /* stop_signal waits until a debugger detaches */
	bool seen_running;   /* HELD_BY_STOP, and at the last look it was not stopped */
	bool idle_refused;   /* the kernel does not let us end its idle connections */
	bool hung;	     /* it was said, and what is to be done was: see service/recycle.h */
	bool leaves;	     /* it has asked for no more: see worker_leave() */
	unsigned exec_looks; /* as often a child that may be in execve(2) is waited for */
	enum worker_state state_before_exit;
	unsigned said_traced;	 /* enum traced_said */
	int64_t traced_since_ms; /* its clock stands still since then; 0: it runs */
	int64_t output_start;  /* with OUTPUT_FILE: what is before it in the file is not its own */
	int64_t stall_said_ms; /* when the log last said that it is stalled; 0: never */
	unsigned ended_idle;   /* connections, by us, while it drained */
	enum recycle_reason recycle; /* it is bad, and to be replaced: see service/recycle.h */
	struct handoff_addr busy;    /* it asked for this last, which another has; family 0: not */
	struct handoff_process writer; /* of the last output, if it is one of many; .pid 0: not
					* known */
	struct slot_measured measured; /* of a guest, which has no slot */
	/* These are filled in when it is written. */
	uint32_t conf_number; /* of SERVICE_CONF */
	unsigned place;	      /* enum kept_place */
	int64_t deadline_at_ms, settle_at_ms, look_at_ms, wake_at_ms, check_at_ms; /* timers */
	struct kept_check checked;
	struct kept_helper helper;
	unsigned moved_away; /* connections that went on with others */
	bool gives_away;     /* it is held by hand, and they are to */
};

/* Where in its slot a worker is. */
enum kept_place { PLACE_NONE, PLACE_CURRENT, PLACE_NEXT };

struct kept_endpoint {
	struct handoff_addr app_addr; /* as the app asked for it first */
	uint16_t ports[8];	      /* of .left; 0: of a Unix socket */
	size_t n_ports;
	bool served;	      /* some worker has taken a connection of it */
	struct asked asked;   /* in force at its listeners */
	int64_t full_said_ms; /* when the log last said that all workers are full; 0: never */
	int64_t left_ms; /* the last who listened, and had no client, closed it then; 0: nobody */
	struct handoff_addr left[8]; /* by listeners that are closed: their connections live on */
};

struct kept_listener {
	int fd; /* owned */
	enum given_by given;
	unsigned id;
	struct handoff_addr addr;
	uint32_t app;	/* see address_app() */
	bool automatic; /* bound because the app asked, not by a `listen` line */
	bool closing;	/* no new SYNs; emptied, then closed */
	uint64_t accepted;
	bool hidden;	 /* it is closing, and another has taken its place */
	bool bound_only; /* clients are refused: see listener_publish() */
	/* Rollouts, 0: none. It is closed if the one is aborted, or when the other is done. */
	unsigned comes_with, leaves_with;
	uint64_t device, inode; /* of a path: the file that is ours */
};

struct kept_pending {
	struct handoff_conn conn;
	int fd;	    /* owned */
	bool ahead; /* accepted although the round had no room */
};

struct kept_channel {
	uint64_t id;
	uint64_t worker;   /* kept_worker::id */
	int tx, rx;	   /* both ends, owned */
	uint64_t rx_inode; /* finds the processes that hold the other copy of rx */
	bool broken;	   /* found to be shut down: it is lost, as soon as the loop runs */
	uint64_t sent, taken_back;
	uint64_t sent_unpinned;	     /* .sent after the last one that is not there for a pin */
	bool taken_back_since_given; /* nothing was given since something was taken back */
	uint64_t checks;	     /* connections of health checks that were sent into it, too */
	uint64_t check_at;	/* the last of those was message number .. of all; 0: taken back */
	struct asked asked;	/* what its app has said of its own socket */
	int64_t moved_ms;	/* when taken_seen last changed, or the channel was last empty */
	uint64_t ended;		/* connections whose process has ended */
	bool native;		/* the worker speaks the protocol itself: its page says more */
	bool draining;		/* ... and says this to it */
	bool shunned;		/* stalled, while others had room: gets one now and then */
	bool in_round, is_next; /* filled in when it is written, as the next three */
	uint32_t limit, load, said; /* of its struct balancer_member */
	uint64_t taken_seen;	    /* by the watch */
	int64_t stalled_since_ms; /* took nothing for stall_timeout, though some wait; 0: it does */
	unsigned n_untaken;	  /* of those it has left: one at a time */
	unsigned maybe_looks;	  /* how often the verdict was put off, as it may be on its way */
	int64_t probe_ms, probe_delay_ms; /* when a shunned channel is given its next one */
	struct histogram waited;	  /* as much of what its page says as is believed */
	int page_fd;			  /* the same */
	uint64_t page_size, turn;
	int64_t verdict_at_ms;
	uint32_t backend; /* enum handoff_backend; 0: not known */
};

struct kept_holder {
	pid_t pid; /* of the process that said HELLO, by SO_PEERCRED */
	int fd;	   /* owned */
};

/* A record that has a kind and no text. Where it is, to be filled in at once; NULL: cut off. */
void *kept_add(struct strbuf *out, enum kept_kind kind, const void *record);
/* Text, of any length; no text at all is no record. */
void kept_add_text(struct strbuf *out, enum kept_kind kind, const void *text, size_t len);
/* Closes the bytes with the descriptors that they name, version and checksum. */
void kept_end(struct strbuf *out);

struct kept_reader {
	const char *bytes;
	size_t at, len;
	size_t size; /* of the record that was read last, as it was written: the length of a text */
	uint64_t room[512]; /* that record, if it is shorter than this program's */
};

/* 0; -EPROTO with @why: damaged, or of another version. @bytes must stay. */
int kept_open(struct kept_reader *r, const void *bytes, size_t len, struct strbuf *why);
struct kept_reader kept_written(const struct strbuf *out); /* of what kept_end() has just ended */

/*
 * The next record, aligned to 8 bytes if the bytes are, until the next call; NULL at the end. What
 * this program does not know, and need not, is passed over.
 */
const void *kept_next(struct kept_reader *r, enum kept_kind *ret_kind);

#define KEPT_FDS_MAX 20 /* in one record: that of the program has 16 */

/* The descriptors that are owned by a record, which has one at most of each field. How many. */
size_t kept_fds(enum kept_kind kind, const void *record, int ret[KEPT_FDS_MAX]);

extern const char *const kept_kind_names[KEPT_KIND_N];
