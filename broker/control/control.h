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
#include "service/service.h"
#include "sys/acceptor.h"

struct master;

#define CONTROL_REQUEST_MAX 4096 /* bytes of a request, with its newline */
#define CONTROL_ANSWER_MAX  (8 << 20)
#define CONTROL_CLIENTS_MAX 64

struct control {
	struct acceptor acceptor;
	struct list clients; /* client::link, oldest first */
	size_t n_clients;
	int fd; /* owned; -1: switched off */
	char *path;
	gid_t group; /* may look; UNIX_LISTENER_NO_GROUP: nobody */
};

/* start.c: opens the socket. 0 or -errno with @error. control = off: nothing, and 0. */
void control_init(struct master *m);
int control_open(struct master *m, struct strbuf *error);
int control_chown(struct master *m, uid_t uid); /* before the broker drops its rights */
int control_start(struct master *m);		/* begins to accept. 0 or -errno */
void control_stop(struct master *m);

/* A step of a rollout, for those who wait for its end; see service_announce(). */
void control_announce(const struct service *s, enum roll_phase phase, const struct worker *w);

/* What has become of @w, which is debugged, in words for the person who does; else nothing. */
void control_tell_debugger(const struct worker *w, const char *words);

#endif
