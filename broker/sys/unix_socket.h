/*
 * unix_socket - Unix sockets in the file system, with the rights they should have before anybody
 * can connect to them; and the process at the other end, as the kernel says it.
 */
#pragma once

#include <sys/un.h>
#include "sys/user.h"

#define UNIX_NO_GROUP ((gid_t)-1)

/* Characters of the longest path that a socket can have. */
#define UNIX_PATH_LEN (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/*
 * A socket of @type at @path, or of the abstract @NAME, non-blocking and close-on-exec, with the
 * permissions that @mask leaves, as for umask(2). 0, with *@ret_fd the caller's, or -errno.
 */
int unix_bind(const char *path, int type, mode_t mask, int *ret_fd);

/*
 * Listens on @path (SOCK_STREAM), mode 0600; with @group that group may connect too: 0660. It is of
 * user @owner, or (NULL) ours. Replaces a socket that a killed process has left, but not one that a
 * process listens on, nor another file. As unix_bind(), with @error: what was found and what to do.
 */
int unix_listen(const char *path, const struct spawn_ids *owner, gid_t group, int *ret_fd,
		struct strbuf *error);

/* Whether no client comes to @fd by @path: the file is gone, or (adopt.c) it does not listen. */
bool unix_is_lost(const char *path, int fd);

/*
 * Makes way for a new socket at @path: removes one that nobody listens on. 0; -errno with @error:
 * what is there must stay.
 */
int unix_make_way(const char *path, struct strbuf *error);

/*
 * Connects a socket of @type to @path, or to the abstract @NAME. A listener that is busy is waited
 * for, at most five seconds (-EAGAIN). 0, with *@ret_fd the caller's, or -errno.
 */
int unix_connect(const char *path, int type, int *ret_fd);

struct unix_peer {
	pid_t pid; /* > 1: the process that connected */
	uid_t uid;
	int pidfd; /* the caller's, close-on-exec; readable once the process has ended */
};

/*
 * Fills *@ret for the peer of @sock. The number of a process that has ended may be another's by
 * now: so the pidfd is the kernel's own (SO_PEERPIDFD, Linux 6.5), or was opened while the peer was
 * seen connected, which a process that has ended is not. 0; -ESRCH: it has ended, or is in a pid
 * namespace that we do not see; -errno.
 */
int unix_peer_get(int sock, struct unix_peer *ret);
