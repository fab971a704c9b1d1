/*
 * tool - runs a program in the foreground, on our own terminal, and waits for it.
 *
 * A descriptor can be watched meanwhile. It should tell little: the terminal is the program's.
 */
#pragma once

#include "base/util.h"

struct tool_watch {
	int fd; /* -1: nothing, or nothing more */
	/* It can be read without waiting, or is at its end: then .fd is to be set to -1. */
	void (*ready)(struct tool_watch *watch);
};

/*
 * Runs @argv[0], found through PATH, with our environment, our standard descriptors and all others
 * that are not close-on-exec. It is in our process group, so that the terminal is as much its as
 * ours: what Ctrl-C means is its own business, and SIGINT and SIGQUIT are ignored here meanwhile.
 *
 * 0: it has ended, and *@ret_status is its exit status, or 128 and the number of the signal
 * that ended it. -ENOENT: there is no such program; -errno: it could not be started.
 */
int tool_run(char *const *argv, struct tool_watch *watch, int *ret_status);
