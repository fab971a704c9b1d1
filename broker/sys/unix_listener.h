/*
 * unix_listener - the Unix sockets that services are reached by (HANDOFF_UNIX of base/address.h):
 * paths, whose files have their rights before anybody can connect, and abstract names.
 *
 * They are bound at their own name, not renamed to it: the kernel shows that name to both ends of
 * each connection, and in its list of sockets.
 */
#pragma once

#include <sys/types.h>
#include "base/address.h"
#include "config/conf.h"

/* The file of a path, to be told from what others put in its place; all 0: there is none. */
struct unix_file {
	dev_t dev;
	ino_t inode;
};

/*
 * Binds @addr, with the mode and owner that @sc says, or the user of the workers; clients are
 * refused until tcp_listen(). Replaces a socket that a killed process has left, but not one that a
 * process listens on, nor another file. 0: *@ret_fd is the caller's, close-on-exec, non-blocking.
 * -errno with @error.
 */
int unix_listener_bind(const struct handoff_addr *addr, const struct service_conf *sc,
		       const struct broker_conf *bc, struct strbuf *error, int *ret_fd);

/* Whether that would do, as far as can be said. 0; -errno with @error. */
int unix_listener_try(const struct handoff_addr *addr, const struct service_conf *sc,
		      const struct broker_conf *bc, struct strbuf *error);

struct unix_file unix_listener_file(const struct handoff_addr *addr); /* just bound */

/* Whether another process has removed or replaced it: then nobody can connect any more. */
bool unix_listener_is_lost(const struct handoff_addr *addr, struct unix_file file);

/* Gives @fd, which listens there, the backlog, mode and owner of @sc. 0; -errno with @error. */
int unix_listener_configure(int fd, const struct handoff_addr *addr, struct unix_file file,
			    const struct service_conf *sc, const struct broker_conf *bc,
			    struct strbuf *error);

void unix_listener_remove(const struct handoff_addr *addr, struct unix_file file); /* if there */

/*
 * Lets no further client in, not to be undone; what is in the backlog stays there. Accepting from
 * an empty one gives ACCEPT_FAILED then. 0 or -errno.
 */
int unix_listener_end(int fd);
