/*
 * tool - runs a program in the foreground, on our own terminal, and waits for it.
 */
#ifndef BROKER_SYS_TOOL_H
#define BROKER_SYS_TOOL_H

#include "base/util.h"

/*
 * Runs @argv[0], found through PATH, with our environment, our standard descriptors and all others
 * that are not close-on-exec. It is in our process group, so that the terminal is as much its as
 * ours: what Ctrl-C means is its own business, and SIGINT and SIGQUIT are ignored here meanwhile.
 *
 * 0: it has ended, and *@ret_status is its exit status, or 128 and the number of the signal
 * that ended it. -ENOENT: there is no such program; -errno: it could not be started.
 */
int tool_run(char *const *argv, int *ret_status);

#endif
