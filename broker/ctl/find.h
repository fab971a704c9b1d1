/*
 * find - finds the broker that is meant and connects to it.
 */
#pragma once

#include "base/strbuf.h"
#include "ctl/client.h"

struct find_options {
	const char *socket; /* -s */
	const char *file;   /* -c */
};

/*
 * Connects @ret, which is closed, to the control socket: that of -s, of the configuration file of
 * -c, of BROKER_CONTROL in the environment, of ./broker.ini, or of the only broker that runs here.
 * The first of these that is given counts. 0, or -errno with @error: what was tried and what to do.
 */
int find_broker(const struct find_options *options, struct client *ret, struct strbuf *error);
