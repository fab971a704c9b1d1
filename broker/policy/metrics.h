/*
 * metrics - what the broker tells of itself, and under which names. docs/metrics.md is its manual.
 *
 * A snapshot is taken in one go (report/snapshot.c) and written family by family, one each turn of
 * the loop: so however many workers there are, accepting goes on in between.
 *
 * The text has the OpenMetrics format, version 1.0.0; or the "classic" one that was there before,
 * Prometheus' text format 0.0.4. That has no units, no information and no sets of states (they
 * become gauges), and a counter's family bears the name of its samples.
 */
#pragma once

#include "base/strbuf.h"
#include "policy/histogram.h"
#include "policy/kept.h"

#define METRICS_TEXT_MAX    (16 * 1024 * 1024)
#define METRICS_LABELS_SIZE 256

enum metrics_broker_state {
	METRICS_STARTING,
	METRICS_RUNNING,
	METRICS_STOPPING,
};

/* What is counted by a label: why connections were closed without a worker, and so on. */
enum { METRICS_NO_WORKER, METRICS_NO_MEMORY, METRICS_REFUSED_N };
enum { METRICS_IN_BROKER, METRICS_IN_CHANNELS, METRICS_WAITING_N };
enum { METRICS_DONE, METRICS_ABORTED, METRICS_RELOADS_N };
enum { METRICS_GOOD, METRICS_FAILED, METRICS_KILLED, METRICS_ENDS_N };

/* Each record begins with its labels: service="web",worker="web.0". None needs to be escaped. */
struct metrics_service {
	char labels[METRICS_LABELS_SIZE];
	struct kept_service kept; /* as it was, as .ledger */
	struct ledger ledger;
	uint64_t taken, ended_idle, moved;
	uint64_t refused[METRICS_REFUSED_N];
	uint64_t waiting[METRICS_WAITING_N];
	uint64_t taken_now; /* as it adds up; .taken never falls, whatever a worker does */
	bool balanced;	    /* accepted + moved = taken now + waiting + client gone + refused */
	uint64_t by_state[WORKER_STATE_N]; /* workers, old generations too; none is DEAD */
	bool serving;			   /* at least one worker is ready, and not stalled */
	uint64_t reloads_ended[METRICS_RELOADS_N];
	struct histogram handed, waited, started, reloads;
	bool inetd; /* it has a process for each connection, and the rest: */
	unsigned in_use, limit;
	uint64_t ends[METRICS_ENDS_N];
	struct histogram lasted;
};

struct metrics_listener {
	char labels[METRICS_LABELS_SIZE];
	uint64_t accepted, backlog, backlog_limit, overflows;
	bool asked; /* the kernel has told the last three */
};

/* A slot, with all processes that are in it: the old worker of a reload beside the new one. */
struct metrics_worker {
	char labels[METRICS_LABELS_SIZE];
	enum worker_state state; /* of the newest; DEAD: the slot is empty */
	bool up;		 /* ... is READY */
	bool stalled;		 /* ... takes no connections, though some wait */
	bool checked, well;	 /* ... has a check, and does not fail it */
	bool exists;		 /* there is one: .generation is its */
	unsigned generation;
	uint64_t taken, waiting;
	bool found, open_found; /* the next two, and .open, are known */
	uint64_t rss_bytes, cpu_ms;
	uint64_t open; /* not known if a process could not be read */
};

struct metrics_snapshot {
	char labels[METRICS_LABELS_SIZE]; /* none */
	const char *version;
	enum metrics_broker_state state;
	uint64_t reloads_refused;
	uint64_t start_unix_ms, cpu_ns, rss_bytes, open_fds, max_fds;
	struct histogram turns;
	struct metrics_service *services; /* owned, as the next two */
	struct metrics_listener *listeners;
	struct metrics_worker *workers;
	size_t n_services, n_listeners, n_workers;
};

void metrics_snapshot_deinit(struct metrics_snapshot *s);

/* Writes family number @at, from 0 on. False: that was the last, and the text is complete. */
bool metrics_write(struct strbuf *out, bool classic, const struct metrics_snapshot *s, size_t at);
