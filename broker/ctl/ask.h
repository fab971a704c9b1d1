/*
 * ask - one request, and its answer line by line until its end.
 *
 * What a command does with the lines it says with the functions of a struct ask, which it embeds.
 */
#ifndef BROKER_CTL_ASK_H
#define BROKER_CTL_ASK_H

#include "base/json_doc.h"
#include "ctl/ctl.h"

/* A broker that works answers within milliseconds. One that is stopped never does. */
#define ASK_PATIENCE_MS 10000

struct ask {
	/*
	 * A line that is neither the end nor an error; @raw is what @doc was read from, as it
	 * came. False: there is no memory, or it makes no sense. NULL: lines are passed over.
	 */
	bool (*line)(struct ask *ask, const struct json_doc *doc, const char *raw, size_t len);
	/* Ctrl-C. Without it the default: brokerctl ends. */
	void (*interrupted)(struct ask *ask);
	/* Twice a second while nothing comes. */
	void (*tick)(struct ask *ask);
	/* Nothing but what is printed is wanted: it ends when that cannot be written. */
	bool only_prints;
	int patience_ms; /* the longest silence before the broker is given up; -1: any */
	/* After CTL_OK: what the end of the answer said, or empty. */
	char message[1024];
};

/*
 * Connects, sends ctl->words and reads the answer. With --json every line is printed as it is, and
 * ->line is not called. Whatever goes wrong is printed, as is the error that the broker answers.
 */
enum ctl_exit ask_run(struct ask *ask, struct ctl *ctl);

/* Says that the broker has ended, is silent, or is no broker. @r as of client_read(). */
void ask_print_loss(const struct ctl *ctl, int r);

#endif
