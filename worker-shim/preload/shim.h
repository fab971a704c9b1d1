/*
 * shim.h - what the broker told this process, read once; the worker's side of HELLO, WELCOME and
 * REFUSED; and the lines that this library writes, without which nobody would know why a call
 * failed.
 */
#pragma once

#include "real.h"
#include "table.h"

struct shim {
	bool udp;    /* sockets for datagrams are the broker's: `udp = yes` */
	bool active; /* a rendezvous and a token were in the environment, and this is no wrapper */
	struct handoff_home home;
	char private_ports[4096]; /* see addr_port_listed() */
	char sockets[8192];	  /* see addr.h */
};

/* Copied from the environment once, since an app may clear or overwrite that. */
extern struct shim shim;

/*
 * "worker-shim: listen on ADDRESS: ", @text, @more (NULL: nothing), and a newline, to the standard
 * error that the worker was started with. An app may have put something else at that number, a
 * client's connection even: then nowhere. Keeps errno.
 */
void say(const struct handoff_place *app, const char *text, const char *more);

/*
 * Says HELLO for @slot, with HANDOFF_HELLO_ADOPT and the slot's channel if @adopt, and waits for
 * the answer. @own is the app's socket, for the broker to see what options it has; -1: the app has
 * not asked for anything just now. 0: WELCOME, the caller owns the descriptors, all close-on-exec,
 * and rx bears the name of this channel. -errno: nothing is left open, and what the app has asked
 * for it is told why not, by say().
 */
int rendezvous_meet(const struct slot *slot, bool adopt, int own, struct handoff_meeting *ret);

/* The other end of @fd is the broker's rendezvous: the app reads from its channel by itself. */
bool rendezvous_is_peer(int fd);
