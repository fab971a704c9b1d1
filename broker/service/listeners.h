/*
 * listeners - the listeners of a service, which endpoint each of them feeds, and whether a worker
 * listens on all that it is to listen on. They go without losing a client: first nobody new is let
 * in, then those that wait are served, then the socket goes.
 */
#pragma once

#include "service/types.h"

/*
 * A new listener on @addr, which owns @fd. @comes_with: the number of the rollout that brings it,
 * see open.h; 0: none, and @fd listens. NULL: no memory, and @fd is closed.
 */
struct listener *service_add_listener(struct service *s, const struct handoff_addr *addr,
				      uint32_t app, bool automatic, int fd, unsigned comes_with);

/* Clients can connect to @l. A `listen` line ends what other services' apps had of its address. */
void service_log_listener(const struct listener *l);

/* @l, which may be closing or another service's, goes on as it is: for @app_port of @s. */
void service_keep_listener(struct service *s, struct listener *l, uint32_t app, bool automatic);

/*
 * Each configured listener goes to the endpoint of its port, the better one if another has come.
 * Automatic ones go where they were made for; if nobody serves that, to an endpoint that overlaps:
 * the app has moved from 127.0.0.1 to all addresses, say.
 */
void service_attach_listeners(struct service *s);

/*
 * The listener of any service whose address matches @addr: address_equal(); or address_overlap(), a
 * bind of @addr would collide with it.
 */
typedef bool match_fn(const struct handoff_addr *a, const struct handoff_addr *b);
struct listener *listener_find(struct broker *b, const struct handoff_addr *addr, match_fn *match);

/*
 * The service of which a `listen` line names what overlaps with @addr, other than @except: in its
 * newest configuration, whether that is in force yet or not. NULL: none.
 */
const struct service *service_named_for(const struct broker *b, const struct handoff_addr *addr,
					const struct service *except);

/*
 * The endpoint of @app, of the family of @like if there is one. @served: only with a channel. An
 * activated program has one for each address, whatever the port.
 */
struct endpoint *service_endpoint_on(struct service *s, uint32_t app,
				     const struct handoff_addr *like, bool served);

/* The endpoint of @s whose app asks for exactly @addr; or NULL. */
struct endpoint *service_find_endpoint(struct service *s, const struct handoff_addr *addr);

/* Whether a worker that is to stay has a channel of @e, in the round or not. */
bool service_wants_endpoint(const struct service *s, const struct endpoint *e);

/* Closes the listeners that were bound for an app that does not ask for them any more. */
void service_close_unused(struct service *s);

/* Whether the app of @w listens on all that the `listen` lines name, and on anything at all. */
bool worker_listens_as_configured(const struct worker *w);

/* The first address on which other workers serve and @w does not listen; NULL: there is none. */
const struct endpoint *service_missing_endpoint(const struct worker *w);

/* An address that others of the round serve and @w does not, for a status of all; or NULL. */
const struct endpoint *service_endpoint_of_others(const struct worker *w);

/* A @l whose clients were not let in yet goes at once. */
void service_close_gently(struct listener *l);

void service_closing_expired(struct loop_timer *timer); /* service::closing_timer */

/* Empties and closes all; with service::closing the workers drain then. */
void service_close_all(struct service *s);
void service_close_now(struct service *s); /* at once: clients that wait are reset */

void service_retire_all(struct service *s, enum worker_event how);
