/*
 * open - the addresses of a configuration: all that are missing are opened before anything
 * is changed, so that a reload fails whole or not at all.
 *
 * With a rollout, those that it brings are only bound, and refuse clients, until its first slot is
 * proven. Those that it takes away are closed when it is done. If it is aborted, all are as before.
 */
#pragma once

#include "service/types.h"

/*
 * Binds @addr for @s (NULL: it is new), also beside listeners of @s that overlap it: a reload moves
 * from the one to the other, and both serve meanwhile. And beside automatic ones of others, if no
 * app has asked: see service_log_listener(). @asked: NULL, no app has asked for anything yet.
 * @listens: it lets clients in. The socket that the service manager has given, or a new one as
 * tcp_bind() makes it. 0 or -errno.
 */
int service_bind(struct broker *b, struct service *s, const struct service_conf *sc,
		 const struct asked *asked, const struct handoff_addr *addr, bool listens,
		 struct strbuf *error, int *ret_fd);

/* A new listener takes the place of @l if its file is gone. -errno with @error: none can. */
int service_restore(struct listener *l, struct strbuf *error);

struct opened {
	int fd; /* owned; -1: taken, or never needed, as the broker has that address */
	struct handoff_addr addr;
};

/* One entry for each `listen` line, in the order of services and lines. */
struct opened_list {
	struct opened *v;
	size_t n;
};

void reload_close_opened(struct opened_list *list); /* what was not taken, too */
#define _cleanup_opened_ __attribute__((cleanup(reload_close_opened)))

/* Opens what @conf wants and is not there yet. 0 or -errno with @error. */
int reload_open_all(struct broker *b, const struct conf *conf, struct opened_list *list,
		    struct strbuf *error);

/*
 * The same of @sc for @s; NULL: it is new. @rolls: a rollout follows, and lets clients in. @only:
 * what another service has stays there, and is an error.
 */
int reload_open_one(struct broker *b, struct service *s, bool rolls, bool only,
		    const struct service_conf *sc, struct opened_list *list, struct strbuf *error);

/*
 * Gives @s the listeners of @sc: those it has, those of others, and the new ones, whose entries are
 * at @opened. @rollout: the number of the rollout that brings them, 0: none.
 */
void reload_take_listeners(struct service *s, const struct service_conf *sc, struct opened *opened,
			   unsigned rollout);

/* Closes what @sc does not want, or marks it to leave with @rollout; configures the others. */
void reload_drop_listeners(struct service *s, const struct service_conf *sc,
			   const struct opened *opened, unsigned rollout);

/* The rollout under way has a proven worker. An address that cannot be listened on aborts it. */
void publish_new(struct service *s);

void publish_done(struct service *s);	/* it has ended so; its configuration is in force */
void publish_undone(struct service *s); /* aborted or dropped: service::conf stays in force */
