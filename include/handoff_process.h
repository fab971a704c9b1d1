/*
 * handoff_process.h - the processes of an inetd service: one for each connection.
 *
 * Behind the page of a channel (handoff_page.h), in the same memfd, which is so much larger, is a
 * table of the processes that one worker has made. The worker, a zygote, writes which of them have
 * taken which connection, and how they ended; the broker reads that, for its log, and frees the
 * entries of those that have ended.
 *
 * FREE --zygote forks--> IDLE --it takes a connection--> TAKEN --reaped--> ENDED --broker--> FREE
 *                          +---------------- reaped ---------------------------------------> FREE
 *
 * When an entry has become ENDED and .told is 0, the zygote sets .told and sends one NOTICE on the
 * rendezvous connection. The broker clears it before it reads the table.
 *
 * The broker may set .debug to HANDOFF_DEBUG_NEXT. The next process that takes the connection of a
 * client writes its pid there, and waits until a debugger is attached to it, until .debug is not
 * its pid any more, or for HANDOFF_DEBUG_MS; then it clears .debug and goes on.
 */
#pragma once

#include "handoff_page.h"
#include "handoff_wire.h"

enum handoff_process_state {
	HANDOFF_PROCESS_FREE = 0,
	HANDOFF_PROCESS_IDLE = 1,  /* it waits for a connection */
	HANDOFF_PROCESS_TAKEN = 2, /* it serves one */
	HANDOFF_PROCESS_ENDED = 3, /* it has served one */
};

#define HANDOFF_DEBUG_NEXT 1
#define HANDOFF_DEBUG_MS   60000

struct handoff_process {
	uint32_t state; /* enum handoff_process_state; written last */
	int32_t pid;
	int32_t status; /* ENDED: as waitpid(2) gives it */
	uint32_t reserved;
	uint64_t conn;		  /* CONN.id; 0: a health check, which nobody counts */
	uint64_t taken_ns;	  /* CLOCK_MONOTONIC */
	uint64_t ended_ns;	  /* the same, ENDED */
	uint64_t cpu_us;	  /* user and system time, ENDED */
	struct handoff_addr peer; /* CONN.peer */
};

struct handoff_processes {
	uint32_t n;    /* entries; the broker writes it before it gives the table away */
	uint32_t told; /* 1: a NOTICE is on its way */
	uint32_t idle; /* that wait for a connection: the zygote adds, who takes one subtracts */
	int32_t debug; /* 0, HANDOFF_DEBUG_NEXT, or the pid of a process that waits */
	uint32_t reserved[12];
	struct handoff_process of[];
};

static_assert(sizeof(struct handoff_process) == 72, "table layout");
static_assert(offsetof(struct handoff_processes, of) == 64, "table layout");

/* Of the memfd with a table of @n. */
static inline size_t handoff_processes_size(unsigned n)
{
	return HANDOFF_PAGE_SIZE + sizeof(struct handoff_processes) +
	       n * sizeof(struct handoff_process);
}

static inline struct handoff_processes *handoff_processes_of(struct handoff_page *page)
{
	return (struct handoff_processes *)(void *)((char *)page + HANDOFF_PAGE_SIZE);
}
