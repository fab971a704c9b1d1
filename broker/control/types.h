/*
 * control - the socket at which the broker is asked and steered, as its files share it.
 */
#pragma once

#include <sys/types.h>
#include "master/master.h"
#include "report/events.h"
#include "service/survey.h"
#include "sys/acceptor.h"

struct client;

struct control {
	struct master *master;
	struct events *events;
	struct survey *survey;
	/* Answers the request that @c has parsed; @line is the same as text. */
	void (*answer)(struct client *c, const char *line);
	struct acceptor acceptor;
	struct list clients; /* client::link, oldest first */
	int fd;		     /* owned; -1: switched off */
	char *path;	     /* owned */
	gid_t group;	     /* may look; UNIX_NO_GROUP: nobody */
};
