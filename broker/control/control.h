/*
 * control - the socket at which the broker is asked and steered; docs/control.md is its contract.
 *
 * A client can neither slow the broker nor make it grow: requests are short, an answer is bounded
 * and goes out as the client reads it (sys/stream.c); before that no other request is read.
 */
#pragma once

#include "control/client.h"

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey);

/* Opens the socket. 0 or -errno with @error. control = off: nothing, and 0. */
int control_open(struct control *ctl, struct strbuf *error);
int control_chown(struct control *ctl, uid_t uid); /* before the broker drops its rights */
int control_start(struct control *ctl);		   /* begins to accept. 0 or -errno */
void control_stop(struct control *ctl);
