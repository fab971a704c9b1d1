/*
 * ask - sends one request and reads its answer, line by line, to the end.
 *
 * A command embeds a struct ask, whose functions say what to do with the lines.
 */
#pragma once

#include "ctl/ctl.h"

/* A running broker answers within milliseconds, a stopped one (SIGSTOP) never. */
#define ASK_PATIENCE_MS 10000

struct ask {
	/* Takes a line that is neither the end nor an error. NULL: such lines are passed over. */
	void (*line)(struct ask *ask, const struct json_value *line);
	/* Ctrl-C. NULL: it ends brokerctl, as by default. */
	void (*interrupted)(struct ask *ask);
	/* Twice a second while nothing comes. */
	void (*tick)(struct ask *ask);
	bool broker_ends; /* the end of the broker is the end of the answer, and no failure */
	/* Only the output matters: stop when nobody reads it any more. */
	bool only_prints;
	int patience_ms; /* give up after so long a silence; -1: never */
};

/*
 * Connects if need be, sends @words and reads the answer into the view of the client. With --json
 * every line is printed as it is, and ->line is not called. Whatever goes wrong is printed, as is
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
