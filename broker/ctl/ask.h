/*
 * ask - one run of brokerctl: what was typed, which broker it is for, and how it ends. And asking
 * that broker: one request, and its answer line by line to the end.
 *
 * A command is a function ctl_COMMAND() in a file of its own, or ctl_show() if its answer is only
 * printed: a screen, a list, events as they arrive, the steps of a reload, or a confirmation.
 */
#pragma once

#include "ctl/client.h"
#include "ctl/out.h"
#include "policy/command.h"

/* Documented in brokerctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,	       /* the broker refused, or failed to do it */
	CTL_USAGE = 2,	       /* what was typed has no such form */
	CTL_NO_BROKER = 3,     /* none could be reached, or it ended before it had answered */
	CTL_ABORTED = 4,       /* a reload began and did not get through */
	CTL_UNFINISHED = 5,    /* the broker has ended, and something was cut off */
	CTL_TOO_LONG = 6,      /* it has not ended within --timeout */
	CTL_INTERRUPTED = 130, /* Ctrl-C; the broker goes on with what it was asked for */
};

struct ctl {
	struct client_options find;
	bool json; /* print the broker's lines as they are */
	bool help, version;
	struct request request;
	char *const *words; /* the request as it is sent: without the words after "--" */
	size_t n_words;
	struct client client;
};

/* How long silence is borne. A running broker answers within milliseconds, a stopped one never. */
#define ASK_PATIENCE_MS 10000

struct ask {
	const struct ctl *ctl; /* this and the next are set by ask_run() */
	int64_t began_ms;
	/*
	 * Takes a line that is neither the end nor an error; and NULL twice a second while nothing
	 * comes. NULL: such lines are passed over.
	 */
	void (*line)(struct ask *ask, const struct json_value *line);
	bool ends_at_interrupt; /* with CTL_INTERRUPTED; else Ctrl-C ends brokerctl, as by default
				 */
	/* Only the output matters: stop when nobody reads it any more. */
	bool only_prints;
	bool is_patient;  /* never give up, however long it is silent */
	int64_t until_ms; /* give up then, by loop_clock_ms(), with CTL_TOO_LONG; 0: never */
};

/*
 * Connects if need be, sends ->words and reads the answer into the view of the client. With --json
 * every line is printed as it is, and ->line must print nothing. Whatever goes wrong is printed, as
 * is the error that the broker answers.
 */
enum ctl_exit ask_run(struct ask *ask, struct ctl *ctl);

/* For poll(2): at most @ms (-1: any time), and not beyond ->until_ms. */
int ask_wait_ms(const struct ask *ask, int ms);

/*
 * From now on these signals, such as that of Ctrl-C, make the descriptor readable that is returned,
 * the caller's. For good: a second one must not cut off our last words, and we end anyway.
 */
int ask_signals(const int *signals, size_t n);

/* Finds the broker and connects. CTL_OK, or CTL_NO_BROKER with the reason printed. */
enum ctl_exit ask_connect(struct ctl *ctl);

/*
 * Says what is wrong with the request, or that the broker has ended, is silent, or is no broker. @r
 * as of client_ask() or client_next().
 */
enum ctl_exit ask_print_failure(const struct ctl *ctl, int r);

/* --- the commands ---------------------------------------------------------------------------- */

enum ctl_exit ctl_show(struct ctl *ctl);
enum ctl_exit ctl_stop(struct ctl *ctl); /* a service, or the broker, whose end it sees */

/* The status as a live screen. Ends with "q" or a signal. Needs a terminal. */
enum ctl_exit ctl_top(struct ctl *ctl);

/* Holds a worker while a debugger runs on it, whose exit status is its own, once it has started. */
enum ctl_exit ctl_debug(struct ctl *ctl);

/* These ask no broker. CTL_FAILED is explained: no program that can be served; a mistake in a file.
 */
enum ctl_exit ctl_doctor(struct ctl *ctl);
enum ctl_exit ctl_convert(struct ctl *ctl);

/* `completion SHELL` prints the script for the shell, which knows no commands. */
enum ctl_exit ctl_completion(struct ctl *ctl);

/*
 * `complete -- WORD...`: that script asks this when the user presses the tab key. The words are
 * those of the line up to the cursor, without "brokerctl"; the last one is being typed. Prints all
 * that may stand in its place, whatever it begins with: one candidate a line, and behind a tab its
 * description, if there is one. ":files" and ":programs" let the shell itself complete these.
 */
enum ctl_exit ctl_complete(struct ctl *ctl);
