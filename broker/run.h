/*
 * run - the whole of a running broker: its parts are put together here, and nowhere else.
 */
#ifndef BROKER_RUN_H
#define BROKER_RUN_H

#include "control/control.h"
#include "guard.h"
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

struct run_options {
	const char *config_file; /* NULL: @conf came from the command line */
	int ready_fd;		 /* -1: none */
	int verbosity;		 /* -1 quiet, 0, 1 verbose */
};

/*
 * Runs a broker on @conf (owned from now on) until it is told to end. Returns an exit
 * code; what went wrong has been logged.
 */
enum exit_code run_broker(struct conf *conf, const struct run_options *options);

#endif
