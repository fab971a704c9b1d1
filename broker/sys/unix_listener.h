/*
 * unix_listener - a listening Unix socket in the file system, with the rights it should have
 * before anybody can connect to it.
 */
#pragma once

#include <sys/types.h>
#include <sys/un.h>
#include "base/strbuf.h"

#define UNIX_LISTENER_NO_GROUP ((gid_t)-1)

/* Characters of the longest path that a socket can have. */
#define UNIX_PATH_LEN (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/*
 * A socket of @type at @path, non-blocking and close-on-exec, with the permissions that @mask
 * leaves, as for umask(2). 0, with *@ret_fd the caller's, or -errno.
 */
int unix_bind(const char *path, int type, mode_t mask, int *ret_fd);

/*
 * Listens on @path (SOCK_STREAM, non-blocking, close-on-exec), mode 0600; with @group that
 * group may connect too: 0660. Replaces a socket that a killed process has left, but not a
 * socket that a process listens on, nor a file that is not a socket. 0: *@ret_fd
 * is the caller's. -errno with @error: what was found and what to do.
 */
int unix_listener_open(const char *path, gid_t group, int *ret_fd, struct strbuf *error);

/*
 * Connects to @path. A listener that is busy is waited for, at most five seconds (-EAGAIN). 0, with
 * *@ret_fd the caller's, or -errno.
 */
int unix_connect(const char *path, int *ret_fd);
