/*
 * listeners - the listeners of a service, and which endpoint each of them feeds.
 */
#pragma once

#include "service/types.h"

/*
 * A new listener on @addr; *@ret_listener (may be NULL) is the service's. 0: @fd is, too. -ENOMEM:
 * it is still the caller's.
 */
int service_add_listener(struct service *s, const struct handoff_addr *addr, uint16_t app_port,
			 bool automatic, int fd, struct listener **ret_listener);

/*
 * Each configured listener goes to the endpoint of its port, the better one if another has come.
 * Automatic ones stay where they were made for.
 */
void service_attach_listeners(struct service *s);

/* The listener of any service on exactly @addr, and one that a bind of @addr would collide with. */
struct listener *listener_find(struct broker *b, const struct handoff_addr *addr);
struct listener *listener_find_overlap(struct broker *b, const struct handoff_addr *addr);

/* The endpoint of @s whose app asks for exactly @addr; or NULL. */
struct endpoint *service_find_endpoint(struct service *s, const struct handoff_addr *addr);

/* Whether a worker that is to stay has a channel of @e, in the round or not. */
bool service_wants_endpoint(const struct service *s, const struct endpoint *e);

/* Closes the listeners that were bound for an app that does not ask for them any more. */
void service_close_unused(struct service *s);
