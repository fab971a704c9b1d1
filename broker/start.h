/*
 * start - the whole of a running broker, whose parts are put together here and nowhere else; and
 * what must be there before the first worker is started: program files, limits, places, listeners,
 * rights.
 */
#pragma once

#include "control/control.h"
#include "master/master.h"
#include "policy/hand.h"
#include "policy/kept.h"
#include "report/events.h"
#include "service/rendezvous.h"
#include "service/survey.h"
#include "sys/starter.h"
#include "sys/twin.h"
#include "systemd.h"
#include "web/web.h"

/* How the broker ends; also what broker(8) documents. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILURE = 1,	   /* the system failed us, or we did */
	EXIT_CODE_CONFIG = 2,	   /* usage or configuration */
	EXIT_CODE_ENVIRONMENT = 3, /* port, permission, file, program, limit */
	EXIT_CODE_RUNNING = 4,	   /* another broker is here already */
};

/* Another program is to go on as the broker: upgrade.h. */
struct upgrade {
	struct run *run;
	char *program; /* owned; NULL: none is under way */
	struct helper trial;
	struct strbuf said; /* by it, in .text */
	char text[2048];
	struct loop_timer timer;  /* when it is looked again whether it may be executed */
	int64_t began_ms;	  /* to look */
	unsigned given[KEPT_RUN]; /* records in the state that it was given */
};

/* In which the broker goes on when it is killed: shadow.h. */
struct shadow {
	struct run *run;	/* NULL: there is none yet */
	pid_t broker;		/* whose it is */
	pid_t pid;		/* 0: there is none */
	struct kept_hand *hand; /* mapped; NULL: no state is written */
	int hand_fd;		/* owned */
	struct twin state;	/* the last ones */
	uint64_t rest_until_ns; /* none is written before; 0: it may be */
	struct loop_timer rested;
	struct backoff backoff;
	struct loop_timer next; /* armed: the next one is started then */
	int64_t began_ms;
};

struct run {
	struct master master;
	struct rendezvous rendezvous;
	struct observer observer;	 /* of processes: the parent is told of them, */
	struct starter_events processes; /* and tells of their ends */
	struct events events;
	struct survey survey;
	struct control control;
	struct web web;
	struct systemd systemd;
	struct loop_source log_source; /* a slow log reader is waited for */
	int ready_fd;		       /* owned; -1: none, or told */
	struct upgrade upgrade;
	struct shadow shadow;
	char *const *argv;	   /* as it was started */
	struct adopting *adopting; /* it goes on with what another has left; else NULL */
	bool trial;		   /* ... and says whether it could */
	struct loop_timer look;	   /* for processes that are left of a worker */
};

/* Where the launcher and the library are. 0; -ENOENT with @error. */
int start_find_shim(struct run *run, struct strbuf *error);

/* Prepares @run. Anything but EXIT_CODE_OK: what is missing has been logged, with what to do. */
enum exit_code start_prepare(struct run *run);

/*
 * Makes again what was removed of the run directory, the control socket and the pid file, and says
 * so. @b is that of a struct run.
 */
void start_restore(struct broker *b);

/*
 * `broker -t`: looks at what a start of @run would fail at, and starts nothing: users and
 * groups, directories, programs, files, addresses, the descriptor limit. Binds an address for a
 * moment, but does not listen; one that is in use is no mistake: the broker itself may be running.
 * EXIT_CODE_OK; else @found has a line for each mistake, with its line in the file.
 */
enum exit_code start_check(struct run *run, struct strbuf *found);

/* Logs why the broker cannot start, or go on, and returns @code. */
enum exit_code start_failed(enum exit_code code, const char *text);

/*
 * run.c: runs the broker whose configuration (owned from now on) and other fields the command line
 * has set, until it is told to end. Returns an exit code; what went wrong has been logged.
 */
enum exit_code run_broker(struct run *run);
