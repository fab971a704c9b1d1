/*
 * listen - which endpoint a listen(2) of a worker belongs to, and whether the worker is ready with
 * it.
 */
#pragma once

#include "service/types.h"

/*
 * The app of @w listens on @addr: finds or makes the endpoint and its listeners.
 * 0 or -errno with @reason for the app's owner.
 */
int service_endpoint_for(struct worker *w, const struct handoff_addr *addr, struct endpoint **ret,
			 struct strbuf *reason);

/*
 * Binds what the app of @w asks for and no listener provides any more, nor a `listen` line of its
 * configuration will. 0 or -errno with @error.
 */
int service_reopen_for(struct worker *w, struct strbuf *error);

/* The first address on which other workers serve and @w does not listen; NULL: there is none. */
const struct endpoint *service_missing_endpoint(const struct worker *w);

/* @w has a new channel: is it ready with that? */
void service_worker_listens(struct worker *w);
