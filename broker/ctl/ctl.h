/*
 * ctl - one run of brokerctl: what was typed, whom it is for, and how it ends.
 */
#ifndef BROKER_CTL_CTL_H
#define BROKER_CTL_CTL_H

#include "ctl/client.h"
#include "ctl/find.h"
#include "policy/command.h"

/* Documented in brokerctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	       /* the broker refused, or failed to do it */
	CTL_USAGE = 2,	       /* what was typed has no such form */
	CTL_NO_BROKER = 3,     /* none could be reached, or it ended before it had answered */
	CTL_ABORTED = 4,       /* a reload was begun and did not get through */
	CTL_INTERRUPTED = 130, /* Ctrl-C; what was asked for goes on */
};

struct ctl {
	struct find_options find;
	bool json; /* the lines of the broker as they are */
	struct request request;
	char *const *words; /* the request as it is sent: without what stands behind "--" */
	size_t n_words;
	struct client client;
	char *control; /* path of the socket, once connected */
};

/* Finds the broker and connects. CTL_OK, or CTL_NO_BROKER with the reason printed. */
enum ctl_exit ctl_connect(struct ctl *ctl);

/* What a command does; each in a file of its own. The connection, if it needs one, is its own. */
enum ctl_exit ctl_status(struct ctl *ctl);
enum ctl_exit ctl_top(struct ctl *ctl);
enum ctl_exit ctl_events(struct ctl *ctl);
enum ctl_exit ctl_reload(struct ctl *ctl);
enum ctl_exit ctl_simple(struct ctl *ctl);
enum ctl_exit ctl_debug(struct ctl *ctl);
enum ctl_exit ctl_doctor(struct ctl *ctl);
enum ctl_exit ctl_completion(struct ctl *ctl);
enum ctl_exit ctl_help(struct ctl *ctl);
enum ctl_exit ctl_doctor(struct ctl *ctl);

#endif
