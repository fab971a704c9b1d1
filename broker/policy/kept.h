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
 * except that a channel names its worker:
 *
 *	BROKER MASTER (SERVICE DISPATCH SLOT* PIN* WORKER* LISTENER*
 *		       (ENDPOINT LISTENER* PENDING* (CHANNEL HOLDER*)*)*)*
 *
 * Listeners directly after their service feed no endpoint yet.
 */
#pragma once

#include <sys/types.h>
#include "base/strbuf.h"
#include "policy/asked.h"
#include "policy/backoff.h"
#include "policy/pins.h"
#include "policy/worker_end.h"
#include "policy/worker_fsm.h"

/* Grows with every change of a record: bytes of another version are refused. */
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
	KEPT_KIND_N
};

/*
 * Where every accepted connection has gone. At any time
 *
 *	accepted = (sent - taken_back) + client_gone + refused + those that wait in the broker
 *	sent - taken_back = taken by workers + those that wait in channels
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

struct kept_broker {
	struct {
		uint64_t conn, channel, worker;
		uint32_t listener, guest;
	} given;		/* numbers, each once in the life of a broker: the last ones */
	struct ledger gone;	/* of services that have ended */
	uint64_t taken_by_gone; /* connections that their workers took */
};

struct kept_master {
	int64_t started_ms;
	uint64_t started_unix_ms; /* the same by the calendar, for metrics */
	uint64_t reloads_refused;
	bool ready; /* all services have been, once */
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
};

struct kept_dispatch {
	struct ledger ledger;
	bool paused;   /* nothing is accepted until the next reload */
	bool stopping; /* nothing new comes, and what was accepted has nobody else */
};

/* For metrics alone: counters that outlive the workers of a slot. */
struct slot_measured {
	uint64_t taken_by_gone, cpu_ms_by_gone;
	uint64_t taken, cpu_ms; /* as said last */
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
};

struct kept_endpoint {
	struct handoff_addr app_addr; /* as the app asked for it first */
	uint16_t ports[8]; /* of listeners that fed it and are closed: their connections live on */
	size_t n_ports;
	bool served;	    /* some worker has taken a connection of it */
	struct asked asked; /* in force at its listeners */
};

/* Whether a listening socket outlives the broker, as the service manager has it, too. */
enum given_by {
	GIVEN_NOT,
	GIVEN_UNIT,  /* it has made it: see sys/given.h */
	GIVEN_STORE, /* it keeps it for us */
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
	uint64_t check_at;  /* the last of those was message number .. of all; 0: taken back */
	struct asked asked; /* what its app has said of its own socket */
};

struct kept_holder {
	pid_t pid; /* of the process that said HELLO, by SO_PEERCRED */
	int fd;	   /* owned */
};

void kept_add(struct strbuf *out, enum kept_kind kind, const void *record);
void kept_end(struct strbuf *out); /* closes the bytes with version and checksum */

struct kept_reader {
	const char *bytes;
	size_t at, len;
};

/* 0; -EPROTO with @why: damaged, or of another version. @bytes must stay. */
int kept_open(struct kept_reader *r, const void *bytes, size_t len, struct strbuf *why);

/* The next record, aligned to 8 bytes if the bytes are; NULL at the end. */
const void *kept_next(struct kept_reader *r, enum kept_kind *ret_kind);
