/*
 * ask - one run of brokerctl: what was typed, which broker it is for, and how it ends. And asking
 * that broker: one request, and its answer line by line to the end.
 *
 * A command is a function ctl_COMMAND() in a file of its own, or ctl_show() if its answer is only
 * printed.
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

/* A running broker answers within milliseconds, a stopped one (SIGSTOP) never. */
#define ASK_PATIENCE_MS 10000

struct ask {
	/*
	 * Takes a line that is neither the end nor an error; and NULL twice a second while nothing
	 * comes. NULL: such lines are passed over.
	 */
	void (*line)(struct ask *ask, const struct json_value *line);
	bool ends_at_interrupt; /* with CTL_INTERRUPTED; else Ctrl-C ends brokerctl, as by default
				 */
	bool broker_ends;	/* the end of the broker is the end of the answer, and no failure */
	/* Only the output matters: stop when nobody reads it any more. */
	bool only_prints;
	int patience_ms; /* give up after so long a silence; -1: never */
};

/*
 * Connects if need be, sends @words and reads the answer into the view of the client. With --json
 * every line is printed as it is, and ->line must be NULL. Whatever goes wrong is printed, as is
 * the error that the broker answers.
 */
enum ctl_exit ask_run(struct ask *ask, struct ctl *ctl, char *const *words, size_t n);

/* Finds the broker and connects. CTL_OK, or CTL_NO_BROKER with the reason printed. */
enum ctl_exit ask_connect(struct ctl *ctl);

/*
 * Says what is wrong with the request, or that the broker has ended, is silent, or is no broker. @r
 * as of client_ask() or client_next().
 */
enum ctl_exit ask_print_failure(const struct ctl *ctl, int r);
