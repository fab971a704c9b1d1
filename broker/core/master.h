/*
 * master - the broker as a whole: the loop, the services, signals, start and end.
 */
#ifndef BROKER_CORE_MASTER_H
#define BROKER_CORE_MASTER_H

#include <sys/resource.h>
#include "control/control.h"
#include "report/events.h"
#include "service/service.h"
#include "service/survey.h"
#include "web/web.h"
#include "sys/rundir.h"

/* How the broker ends; also what broker(8) documents. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILURE = 1,	   /* the system failed us, or we did */
	EXIT_CODE_CONFIG = 2,	   /* usage or configuration */
	EXIT_CODE_ENVIRONMENT = 3, /* port, permission, file, program, limit */
	EXIT_CODE_RUNNING = 4,	   /* another broker is here already */
};

struct master_options {
	const char *config_file; /* NULL: @conf came from the command line */
	int ready_fd;		 /* -1: none */
	int verbosity;		 /* -1 quiet, 0, 1 verbose */
};

enum stop_mode { RUNNING, STOP_DRAIN, STOP_FAST, STOP_NOW };

struct master {
	struct loop loop;
	struct conf *conf;	 /* as read last; what a service runs on is service::conf */
	struct conf *conf_start; /* as read first: its [broker] options that take a restart hold */
	struct master_options options;
	struct list services; /* service::link */
	struct rundir rundir;
	char *shim_path, *library_path;
	struct rlimit nofile; /* as we were started; workers get it back */
	enum stop_mode stopping;
	bool ready;
	bool measuring; /* metrics are on: times are taken */
	unsigned next_listener_id;
	uint64_t next_conn_id, next_channel_id, next_worker_id;
	unsigned max_starting; /* workers that start at a time */

	struct acceptor rendezvous; /* of rundir.rendezvous_fd */
	struct list greetings;	    /* rendezvous connections without a HELLO yet */
	size_t n_greetings;

	struct events events;
	struct survey survey;
	struct control control;

	struct loop_timer watch;       /* armed only while there is something to watch */
	int64_t evidence_ms;	       /* when connections were last counted */
	struct loop_source log_source; /* a slow log reader is waited for */

	int spare_fd; /* given up when one is needed to take a connection back; -1: it was */

	int keeper_fd; /* pipe to the keeper */
	pid_t keeper_pid;

	struct loop_timer gone;
	struct ledger ledger_gone; /* of services that have ended */
	uint64_t taken_by_gone;
	unsigned last_guest; /* the highest number of one, of whatever service */
	int64_t started_ms;
	uint64_t started_unix_ms; /* the same by the calendar, for metrics */
	uint64_t reloads_refused;

	struct web web;
};

/*
 * Runs a broker on @conf (owned from now on) until it is told to end. Returns an exit
 * code; what went wrong has been logged.
 */
int master_run(struct conf *conf, const struct master_options *options);

/*
 * Ends the broker: @drain first, or telling all workers to end at once. While it is ending already:
 * kills all workers and ends now.
 */
void master_stop(struct master *m, bool drain);

/* Whether child @pid was started as a worker's main process, or is the keeper. */
bool master_started(const struct master *m, pid_t pid);

/* All services ready for the first time? Tells --ready-fd. */
void master_check_ready(struct master *m);

/*
 * A service may have ended. It is freed, and after the last the loop ends, in the next turn of
 * the loop: the caller may still stand in the middle of it.
 */
void master_check_gone(struct master *m);

/* rendezvous.c */
int rendezvous_start(struct master *m);
void rendezvous_stop(struct master *m);

/* watch.c: makes sure that the watch runs while it is needed. */
void watch_needed(struct master *m);
void watch_init(struct master *m);
void watch_stopped(struct worker *w, bool stopped);
void watch_look_if_stopped(struct worker *w); /* somebody looks anyway: no need to wait for it */

/* Connections of the listeners of @s that some process still has. Sorted. 0 or -errno. */
int watch_open_connections(const struct service *s, struct inode_set *ret);

/*
 * How many connections the processes of @w hold. Negative: some process could not be read, so
 * nothing is known.
 */
int watch_count_connections(const struct worker *w, const struct inode_set *connections);

/* guard.c: the keeper is told whom it would have to end if we could not. */
int guard_start(struct master *m);
void guard_add(struct master *m, const struct worker *w, pid_t pid);
void guard_remove(struct master *m, pid_t pid);
void guard_stop(struct master *m);
bool guard_reaped(struct master *m, pid_t pid); /* true: it was the keeper; a new one is started */

#endif
