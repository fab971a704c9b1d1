/*
 * open - the addresses of a configuration: all that are missing are opened before anything
 * is changed, so that a reload fails whole or not at all.
 */
#pragma once

#include "service/types.h"

struct opened {
	int fd; /* owned; -1: taken, or never needed, as the broker has that address */
	struct handoff_addr addr;
	bool bound_only; /* the rollout that comes lets clients in: see publish.h */
};

/* One entry for each `listen` line of a configuration, or of one service, in its order. */
struct opened_list {
	struct opened *v;
	size_t n;
};

/*
 * Opens every listener of @conf that is not there yet. *@ret is empty before. 0; -errno with
 * @error, and none is open.
 */
int reload_open_all(struct broker *b, const struct conf *conf, struct opened_list *ret,
		    struct strbuf *error);

/*
 * The same of @sc for @s alone. @rolls: a rollout follows, and lets clients in. -EADDRINUSE also
 * for what another service has: it stays there.
 */
int reload_open_one(struct service *s, bool rolls, const struct service_conf *sc,
		    struct opened_list *ret, struct strbuf *error);

void reload_close_opened(struct opened_list *list);

/* The entries of the service with that index in @conf. */
struct opened *reload_opened_of(const struct opened_list *list, const struct conf *conf,
				size_t service);

/* Gives @s the listeners of @sc: those it has, those of others, and the new ones. */
void reload_take_listeners(struct service *s, const struct service_conf *sc, struct opened *opened);

/*
 * Closes those that @sc does not want, or marks them to leave with the next rollout; sets the
 * socket options of the others.
 */
void reload_drop_listeners(struct service *s, const struct service_conf *sc,
			   const struct opened *opened, unsigned rollout);
