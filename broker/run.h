/*
 * run - a broker from its start to its end.
 */
#pragma once

#include "start.h"

/*
 * Runs the broker whose configuration (owned from now on) and other fields the command line has
 * set, until it is told to end. Returns an exit code; what went wrong has been logged.
 */
enum exit_code run_broker(struct run *run);
