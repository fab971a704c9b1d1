#include "unix_socket.h"

#include <limits.h>
#include <sys/time.h>
#include "base/fd.h"
#include "handoff_kernel.h"
#include "sys/pair.h"
#include "sys/safe_path.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define BACKLOG	  128
#define CONNECT_S 5

/* @NAME is an abstract one. Returns the length for bind(2), 0: the name is too long. */
static socklen_t fill_address(const char *name, struct sockaddr_un *ret)
{
	size_t len = strlen(name), end = *name != '@';

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len > UNIX_PATH_LEN)
		return 0;
	memcpy(ret->sun_path, name, len);
	if (!end)
		ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + end);
}

int unix_connect(const char *path, int type, int *ret_fd)
{
	const struct timeval limit = { .tv_sec = CONNECT_S };
	struct sockaddr_un sun;
	socklen_t len = fill_address(path, &sun);
	_cleanup_fd_ int fd = -1;

	if (!len)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	/* connect(2) waits while the backlog is full, and for so long. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ||
	    connect(fd, (struct sockaddr *)&sun, len) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

int unix_bind(const char *path, int type, mode_t mask, int *ret_fd)
{
	_cleanup_fd_ int fd = -1;
	struct sockaddr_un sun;
	socklen_t len = fill_address(path, &sun);
	mode_t old;
	int r;

	if (!len)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/*
	 * The mode comes with the bind, so the path never exists with looser permissions; and no
	 * chmod(2) follows a link that somebody has put there meanwhile.
	 */
	old = umask(mask);
	r = bind(fd, (struct sockaddr *)&sun, len) < 0 ? -errno : 0;
	(void)umask(old);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/* Whether nobody listens on @path; without waiting, as a backlog may be full. 0 or -errno. */
static int try_stale(const char *path, struct strbuf *error)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (fd < 0)
		return strbuf_fail(error, -errno, "cannot ask who listens on %s: %m", path);
	if (connect(fd, (struct sockaddr *)&sun, fill_address(path, &sun)) < 0 &&
	    errno == ECONNREFUSED)
		return 0;
	/* Of a connection: who called listen(2). */
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (cred.pid == getpid())
		return strbuf_fail(error, -EADDRINUSE,
				   "the broker listens on %s already, for another name of it",
				   path);
	(void)strbuf_fail(error, -EADDRINUSE, "another process listens on %s", path);
	if (cred.pid > 0)
		strbuf_addf(error, " (pid %d)", (int)cred.pid);
	strbuf_add(error, "; stop it, or choose another path");
	return -EADDRINUSE;
}

bool unix_is_lost(const char *path, int fd)
{
	/* Of a type that nobody accepts, so that nobody has to. */
	_cleanup_fd_ int asks = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;

	return pair_option_is(fd, SO_ACCEPTCONN, 0) ||
	       (connect(asks, (struct sockaddr *)&sun, fill_address(path, &sun)) < 0 &&
		(errno == ECONNREFUSED || errno_is_absence(errno)));
}

int unix_make_way(const char *path, struct strbuf *error)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : strbuf_fail(error, -errno, "cannot examine %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return strbuf_fail(error, -EEXIST,
				   "%s is there already and is no socket; remove it or choose "
				   "another path",
				   path);
	r = try_stale(path, error);
	if (r < 0)
		return r;
	if (unlink(path) < 0)
		return strbuf_fail(error, -errno, "cannot remove the old socket %s: %m", path);
	return 0;
}

int unix_listen(const char *path, const struct spawn_ids *owner, gid_t group, int *ret_fd,
		struct strbuf *error)
{
	_cleanup_safe_path_ struct safe_path scope = { .as_other = false };
	_cleanup_fd_ int fd = -1;
	const uid_t uid = owner && geteuid() == 0 ? owner->uid : (uid_t)-1;
	STRBUF(why, PATH_MAX + 256);
	int r;

	if (strlen(path) > UNIX_PATH_LEN)
		return strbuf_fail(error, -ENAMETOOLONG,
				   "%s: the path is too long for a socket (at most %zu characters)",
				   path, UNIX_PATH_LEN);
	r = safe_path_begin(path, owner, &scope, &why);
	if (r < 0)
		return strbuf_fail(error, r, "cannot listen on %s: %s", path, why.text);
	r = unix_make_way(path, error);
	if (r < 0)
		return r;
	r = unix_bind(path, SOCK_STREAM, group != UNIX_NO_GROUP ? 0117 : 0177, &fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot bind %s: %m", path);
	/* Nobody can connect before listen(2): so its owner comes in between. */
	if (lchown(path, uid, group) < 0 || listen(fd, BACKLOG) < 0) {
		r = strbuf_fail(error, -errno, "cannot listen on %s: %m", path);
		(void)unlink(path);
		return r;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

/* What it sent before it went does not matter: it does not wait for an answer. */
static bool is_connected(int sock)
{
	char byte;
	ssize_t n = recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int pidfd_of(int sock, pid_t pid)
{
	socklen_t len = sizeof(int);
	int fd;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		return fd;
	if (errno != ENOPROTOOPT)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : fd;
}

int unix_peer_get(int sock, struct unix_peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	_cleanup_fd_ int pidfd = -1;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.pid <= 1)
		return -ESRCH;
	pidfd = pidfd_of(sock, cred.pid);
	if (pidfd < 0)
		return pidfd;
	if (!is_connected(sock))
		return -ESRCH;
	ret->pid = cred.pid;
	ret->uid = cred.uid;
	ret->pidfd = fd_take(&pidfd);
	return 0;
}
