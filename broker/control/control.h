/*
 * control - the socket at which the broker is asked and steered; docs/control.md is its contract.
 *
 *	control.c		who connects, and what he may
 *	client.c		one request after another
 *	client_names.c		the services and workers that it names
 *	control_status.c	status
 *	control_look.c		events, config, help
 *	control_steer.c		scale, signal, stop
 *	control_hold.c		hold, release, debug, and pins
 *	control_join.c		a guest asks
 *	control_roll.c		reload, rollback, restart: those that wait for an end
 *
 * A client can neither slow the broker nor make it grow: requests are short, an answer is bounded
 * and goes out as the client reads it (sys/stream.c); before that no other request is read.
 */
#ifndef BROKER_CONTROL_CONTROL_H
#define BROKER_CONTROL_CONTROL_H

#include <sys/types.h>
#include "base/list.h"
#include "base/strbuf.h"
#include "service/types.h"
#include "core/limits.h"
#include "core/notice.h"
#include "master/master.h"
#include "report/events.h"
#include "service/survey.h"
#include "sys/acceptor.h"

#define CONTROL_REQUEST_MAX 4096 /* bytes of a request, with its newline */
#define CONTROL_ANSWER_MAX  (8 << 20)

struct control {
	struct master *master;
	struct events *events;
	struct survey *survey;
	struct observer observer;
	struct acceptor acceptor;
	struct list clients; /* client::link, oldest first */
	size_t n_clients;
	int fd; /* owned; -1: switched off */
	char *path;
	gid_t group; /* may look; UNIX_LISTENER_NO_GROUP: nobody */
};

void control_init(struct control *ctl, struct master *m, struct events *events,
		  struct survey *survey);

/* Opens the socket. 0 or -errno with @error. control = off: nothing, and 0. */
int control_open(struct control *ctl, struct strbuf *error);
int control_chown(struct control *ctl, uid_t uid); /* before the broker drops its rights */
int control_start(struct control *ctl);		   /* begins to accept. 0 or -errno */
void control_stop(struct control *ctl);

#endif
