/*
 * inetd.h - the launcher of an inetd service: it asks for the channel, and the program is parked.
 */
#pragma once

#include "program.h"

struct inetd {
	const char *park;   /* main, first-read, exec; NULL: this is no inetd service */
	const char *listen; /* port or Unix socket of the first `listen` line */
	unsigned pool;
	int own_stderr; /* whether */
};

/*
 * @library: the preload library, beside which that of inetd stands. Prepares this process to
 * execute
 * @program, and returns true; or, with park = exec, returns true in each child that has a
 * connection. False: the reason is set, or there is no memory for the environment.
 */
bool inetd_prepare(const struct inetd *inetd, const struct program *program, const char *library,
		   int *status_fd);
