/*
 * asks - what an app asks for by listen(2): the endpoint that it belongs to, and a listener where
 * no `listen` line provides one.
 */
#pragma once

#include "service/types.h"

/*
 * The app of @w listens on @addr: finds the endpoint, or, but for a guest, makes it and its
 * listeners, as @asked says. 0 or -errno with @reason for the app's owner.
 */
int service_endpoint_for(struct worker *w, const struct handoff_addr *addr,
			 const struct asked *asked, struct endpoint **ret, struct strbuf *reason);

/* Unix sockets are the broker's where a `listen` line names them. -EADDRNOTAVAIL with @reason. */
int service_refuse_unlisted(const struct worker *w, const char *socket, struct strbuf *reason);

/* The app of @w has bound @addr for datagrams: *@ret_fd stays the broker's. 0 or -errno. */
int service_share_udp(struct worker *w, const struct handoff_addr *addr, int *ret_fd,
		      struct strbuf *reason);

/* Binds what the app of @w asks for, if no listener or `listen` line provides it. 0 or -errno. */
int service_reopen_for(struct worker *w, struct strbuf *error);
