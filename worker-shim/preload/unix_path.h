/*
 * unix_path.h - the names of Unix sockets as text, and which of them the broker is to listen on.
 *
 * A name is an absolute path, or @NAME for an abstract one, as in /proc/net/unix.
 *
 * Pure: no system call, no allocation.
 */
#pragma once

#include "handoff_wire.h"

#include <sys/socket.h>
#include <sys/types.h>

/* What is known of the process that binds. */
struct unix_place {
	const char *directory; /* its own, absolute */
	const char *sockets;   /* of the service, with blanks: BROKER_SOCKETS */
	const char *patterns;  /* of those that are the app's own: BROKER_PRIVATE_SOCKETS */
	pid_t pid;
};

/*
 * Whether the broker is to listen where a stream socket is bound to @addr; then @ret is its name.
 * Those of BROKER_SOCKETS are, in any case. Left to the app: what has no text (the kernel chooses
 * the name, a zero byte is in it, or it is too long), what fits one of the patterns, and what is
 * for this process alone: its pid stands in the name, or Python's multiprocessing made it.
 */
bool unix_path_is_ours(const struct sockaddr *addr, socklen_t len, const struct unix_place *place,
		       char ret[HANDOFF_PATH_SIZE]);

/* The name as the kernel gives it, with its length; "" is no name, as of a client. */
socklen_t unix_path_to_sockaddr(const char *path, struct sockaddr_storage *ret);

/* Takes the next word, of those that fit, off *@list. False: there is none. */
bool unix_path_next(const char **list, char ret[HANDOFF_PATH_SIZE]);
