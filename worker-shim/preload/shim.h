/*
 * shim.h - what the broker told this process, read once; and the lines that this library writes,
 * without which nobody would know why a call failed.
 */
#pragma once

#include "receive.h"

struct shim {
	bool udp;    /* sockets for datagrams are the broker's: see datagram.h */
	bool active; /* a rendezvous and a token were in the environment, and this is no wrapper */
	struct handoff_home home;
	char private_ports[4096]; /* see addr_port_listed() */
	char sockets[8192];	  /* see unix_path.h */
};

/* Copied from the environment once, since an app may clear or overwrite that. */
extern struct shim shim;

struct handoff_place;

/*
 * "worker-shim: listen on ADDRESS: ", @text, @more (NULL: nothing), and a newline, to the standard
 * error that the worker was started with. An app may have put something else at that number, a
 * client's connection even: then nowhere. Keeps errno.
 */
void say(const struct handoff_place *app, const char *text, const char *more);
