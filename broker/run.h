/*
 * run - the whole of a running broker, from its start to its end: its parts are put together here,
 * and nowhere else.
 */
#pragma once

#include "control/control.h"
#include "core/notice.h"
#include "master/master.h"
#include "report/events.h"
#include "service/rendezvous.h"
#include "service/survey.h"
#include "web/web.h"

/* How the broker ends; also what broker(8) documents. */
enum exit_code {
	EXIT_CODE_OK = 0,
	EXIT_CODE_FAILURE = 1,	   /* the system failed us, or we did */
	EXIT_CODE_CONFIG = 2,	   /* usage or configuration */
	EXIT_CODE_ENVIRONMENT = 3, /* port, permission, file, program, limit */
	EXIT_CODE_RUNNING = 4,	   /* another broker is here already */
};

/* Tells the keeper (sys/keeper.h) which processes it would have to end if the broker could not. */
struct guard {
	struct observer observer;
	struct broker *broker;
	int fd;	   /* pipe to the keeper, owned; -1: there is none */
	pid_t pid; /* of the keeper; 0: there is none */
};

struct run {
	struct master master;
	struct rendezvous rendezvous;
	struct guard guard;
	struct events events;
	struct survey survey;
	struct control control;
	struct web web;
	struct loop_source log_source; /* a slow log reader is waited for */
	int ready_fd;		       /* owned; -1: none, or told */
};

/*
 * Runs the broker whose configuration (owned from now on) and other fields the command line has
 * set, until it is told to end. Returns an exit code; what went wrong has been logged.
 */
enum exit_code run_broker(struct run *run);

int guard_start(struct guard *g, struct broker *b); /* 0 or -errno */
