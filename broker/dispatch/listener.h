/*
 * listener - a listening socket of a service, and the endpoint that it feeds. It lives as long as
 * the service wants the address, across reloads: it is never closed and bound again.
 */
#pragma once

#include "dispatch/types.h"

/*
 * The listener owns @fd from now on. @bound_only: nobody listens on that yet. NULL: no memory or no
 * epoll slot; @fd stays the caller's.
 */
struct listener *listener_new(struct dispatch *d, const struct handoff_addr *addr, uint32_t app,
			      bool automatic, int fd, bool bound_only);

/* What was only bound is listened on now: lets clients in. 0 or -errno. */
int listener_publish(struct listener *l);

/* @l has no more clients. True: it was closed by unix_listener_end(), and is asked no more. */
bool listener_has_ended(struct listener *l);

/*
 * Its socket stays open without us, and who connects waits: that of a socket unit always, and what
 * is stored for the next broker if the whole broker ends.
 */
bool listener_outlives(const struct listener *l);

void listener_free(struct listener *l); /* closes it: clients in its backlog are reset */

/* Watches it if its endpoint listens, else not. */
void listener_arm(struct listener *l);

void listener_attach(struct listener *l, struct endpoint *e);
void listener_detach(struct listener *l);

/* A listener at @addr that fed @e is closed, or feeds another: its connections live on. */
void endpoint_remember(struct endpoint *e, const struct handoff_addr *addr);

/* Changes its backlog and options to those of @sc and of the app. 0; -errno with @error. */
int listener_configure(struct listener *l, const struct service_conf *sc, struct strbuf *error);

/*
 * The listeners that feed @e, or will, become as the apps of all its channels but @except (NULL: of
 * all) and @more ask, and @sc says. What one of them has restricted is so for all, as they share
 * the listeners, until it is gone. -errno with @error: they are as before.
 */
int endpoint_ask(struct endpoint *e, const struct channel *except, const struct asked *more,
		 const struct service_conf *sc, struct strbuf *error);

/* Gives it to another service: its address changed owner in the configuration. */
void listener_move(struct listener *l, struct dispatch *to);

/*
 * The app has closed the socket of @e before any client was served: that was a probe, or a lock.
 * Closes the listeners that were bound for it. Clients that came meanwhile wait for an address that
 * includes it, or is part of it, if the app listens there.
 */
void endpoint_unlisten(struct endpoint *e);
