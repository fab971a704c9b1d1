/*
 * run - a broker from its start to its end.
 */
#pragma once

#include "types.h"

struct run_options {
	const char *config_file; /* NULL: @conf came from the command line */
	const char *entered;	 /* see master::entered */
	int ready_fd;		 /* -1: none */
	int verbosity;		 /* -1 quiet, 0, 1 verbose */
};

/*
 * Runs a broker on @conf (owned from now on) until it is told to end. Returns an exit
 * code; what went wrong has been logged.
 */
enum exit_code run_broker(struct conf *conf, const struct run_options *options);
