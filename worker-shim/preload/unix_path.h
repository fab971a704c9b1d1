/*
 * unix_path.h - the names of Unix sockets as text: a path, or @NAME for an abstract one, as in
 * /proc/net/unix. Those of BROKER_SOCKETS are the broker's; all others are left to the app.
 *
 * Pure: no system call, no allocation.
 */
#pragma once

#include "handoff_wire.h"

#include <sys/socket.h>

/*
 * The name as an app gives it, so that a path may be relative. False: it has no text, as the kernel
 * chooses it, a zero byte is in it, it looks like an abstract one, or it is too long for one of the
 * broker's.
 */
bool unix_path_from_sockaddr(const struct sockaddr *addr, socklen_t len,
			     char ret[HANDOFF_PATH_SIZE]);

/* The name as the kernel gives it, with its length; "" is no name, as of a client. */
socklen_t unix_path_to_sockaddr(const char *path, struct sockaddr_storage *ret);

/* Takes the next word, of those that fit, off *@list. False: there is none. */
bool unix_path_next(const char **list, char ret[HANDOFF_PATH_SIZE]);
