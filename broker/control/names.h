/*
 * names - finds the services and workers that a request names, or suggests others.
 */
#pragma once

struct client;
struct service;
struct worker;

/*
 * The service or worker of that name. NULL: there is none, and the client was told which it may
 * have meant. A worker is NAME, or NAME@GENERATION where an older one lives beside it.
 */
struct service *client_find_service(struct client *c, const char *name);
struct worker *client_find_worker(struct client *c, const char *name);

/*
 * The service that has a slot of the name "web.3", and the number of the slot, which may have no
 * worker now. NULL: there is none, and nobody was told.
 */
struct service *client_find_slot(const struct client *c, const char *name, unsigned *ret_slot);

/* The one of @best (NULL: none so far) and @other that may have been meant by @name, or NULL. */
const char *names_nearer(const char *name, const char *best, const char *other);
