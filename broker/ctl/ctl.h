/*
 * ctl - one run of brokerctl: what was typed, which broker it is for, and how it ends.
 *
 * Types only. A command is a function ctl_COMMAND() in a file of its own, or ctl_show() if its
 * answer is only printed. It connects to the broker itself if it needs one.
 */
#pragma once

#include "ctl/client.h"
#include "policy/command.h"

/* Documented in brokerctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	       /* the broker refused, or failed to do it */
	CTL_USAGE = 2,	       /* what was typed has no such form */
	CTL_NO_BROKER = 3,     /* none could be reached, or it ended before it had answered */
	CTL_ABORTED = 4,       /* a reload began and did not get through */
	CTL_INTERRUPTED = 130, /* Ctrl-C; the broker goes on with what it was asked for */
};

struct ctl {
	struct client_options find;
	bool json; /* print the broker's lines as they are */
	struct request request;
	char *const *words; /* the request as it is sent: without the words after "--" */
	size_t n_words;
	struct client client;
};
