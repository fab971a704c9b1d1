/*
 * find - which broker is meant, and a connection to it.
 */
#ifndef BROKER_CTL_FIND_H
#define BROKER_CTL_FIND_H

#include "base/strbuf.h"

struct find_options {
	const char *socket; /* -s */
	const char *file;   /* -c */
};

/*
 * Connects to the control socket: that of -s, of the configuration file of -c, of BROKER_CONTROL in
 * the environment, of ./broker.ini, or of the only broker that runs here; the first of these that
 * is given counts. 0: *@ret_fd is the caller's, and *@ret_path (malloc'd) where it leads.
 * -errno with @error: what was tried and what to do.
 */
int find_broker(const struct find_options *options, int *ret_fd, char **ret_path,
		struct strbuf *error);

#endif
