#include "unix_listener.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include "base/fd.h"
#include "sys/safe_path.h"
#include "sys/tcp.h"
#include "sys/unix_socket.h"

/* The path of @addr; NULL: it has none. */
static const char *path_of(const struct handoff_addr *addr)
{
	const char *name = address_unix(addr);

	return name && *name == '/' ? name : NULL;
}

/* Without options of its own it is the workers'. A group that the broker is in needs no root. */
static int find_owner(const struct service_conf *sc, const struct broker_conf *bc,
		      struct spawn_ids *ret, struct strbuf *error)
{
	const bool as_broker = !sc->user && !sc->group;
	const char *worker_user = as_broker ? bc->user : sc->user;
	const char *worker_group = as_broker ? bc->group : sc->group;
	const char *user = sc->socket_user ? sc->socket_user : worker_user;
	const char *group = sc->socket_group || sc->socket_user ? sc->socket_group : worker_group;
	const struct conf_names *worker_names = as_broker ? bc->names : sc->names;
	struct user_info info;
	int r = user_lookup(sc->socket_user ? sc->names : worker_names, user, NULL, &info, error);

	if (r == 0 && group)
		r = user_find_group(group == worker_group ? worker_names : sc->names, group,
				    &info.ids.gid, error);
	if (r < 0) {
		strbuf_add(error, " (for a Unix socket: socket_user, socket_group)");
		return r;
	}
	*ret = info.ids;
	return 0;
}

static bool same_file(const struct stat *st, struct unix_file file)
{
	return S_ISSOCK(st->st_mode) && st->st_ino == file.inode && st->st_dev == file.dev;
}

/* Through a descriptor: no link that somebody puts there meanwhile is followed. */
static int set_rights(const char *path, struct unix_file file, const struct service_conf *sc,
		      const struct spawn_ids *ids, struct strbuf *error)
{
	_cleanup_fd_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	mode_t mode = (mode_t)strtoul(sc->socket_mode, NULL, 8);
	char name[32];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !same_file(&st, file))
		return strbuf_fail(error, -ESTALE,
				   "the socket %s is there no longer: another process has removed "
				   "or replaced it; restart the broker to have it back",
				   path);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	if ((ids->uid != st.st_uid || ids->gid != st.st_gid) &&
	    fchownat(fd, "", ids->uid, ids->gid, AT_EMPTY_PATH) < 0)
		return strbuf_fail(error, -errno,
				   "cannot give %s to user %u and group %u, as socket_user and "
				   "socket_group say: %m",
				   path, ids->uid, ids->gid);
	if ((st.st_mode & 07777) != mode && chmod(name, mode) < 0)
		return strbuf_fail(error, -errno, "cannot set the mode of %s: %m", path);
	return 0;
}

int unix_listener_bind(const struct handoff_addr *addr, const struct service_conf *sc,
		       const struct broker_conf *bc, struct strbuf *error, int *ret_fd)
{
	const char *path = path_of(addr);
	_cleanup_safe_path_ struct safe_path scope = { .as_other = false };
	_cleanup_fd_ int fd = -1;
	struct spawn_ids ids;
	STRBUF(why, PATH_MAX + 256);
	int r = path ? find_owner(sc, bc, &ids, error) : 0;

	if (r == 0 && path) {
		r = safe_path_begin(path, &ids, &scope, &why);
		r = r < 0 ? strbuf_fail(error, r, "cannot listen on %s: %s", path, why.text)
			  : unix_make_way(path, error);
	}
	if (r < 0)
		return r;
	r = unix_bind(address_unix(addr), SOCK_STREAM, 0777, &fd);
	if (r < 0)
		return strbuf_fail(error, r, "cannot listen on %s: %m", address_unix(addr));
	r = path ? set_rights(path, unix_listener_file(addr), sc, &ids, error) : 0;
	if (r < 0)
		(void)unlink(path);
	else
		*ret_fd = fd_take(&fd);
	return r;
}

int unix_listener_try(const struct handoff_addr *addr, const struct service_conf *sc,
		      const struct broker_conf *bc, struct strbuf *error)
{
	const char *path = path_of(addr);
	char copy[PATHS_LEN + 1];
	_cleanup_safe_path_ struct safe_path scope = { .as_other = false };
	struct spawn_ids ids;
	STRBUF(why, PATH_MAX + 256);
	struct stat st;
	int r = find_owner(sc, bc, &ids, error);

	if (r < 0 || !path)
		return r;
	strcpy(copy, path);
	r = safe_path_begin(path, &ids, &scope, &why);
	if (r < 0)
		return strbuf_fail(error, r, "cannot make the socket %s: %s", path, why.text);
	if (access(dirname(copy), W_OK | X_OK) < 0)
		return strbuf_fail(error, -errno, "cannot make the socket %s: %m", path);
	return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode) ? unix_make_way(path, error) : 0;
}

struct unix_file unix_listener_file(const struct handoff_addr *addr)
{
	const char *path = path_of(addr);
	struct stat st;

	if (!path || lstat(path, &st) < 0)
		return (struct unix_file){ 0 };
	return (struct unix_file){ st.st_dev, st.st_ino };
}

int unix_listener_configure(int fd, const struct handoff_addr *addr, struct unix_file file,
			    const struct service_conf *sc, const struct broker_conf *bc,
			    struct strbuf *error)
{
	const char *path = path_of(addr);
	struct spawn_ids ids;
	int r = path ? find_owner(sc, bc, &ids, error) : 0;

	if (r == 0 && path)
		r = set_rights(path, file, sc, &ids, error);
	if (r == 0)
		r = tcp_listen(fd, sc);
	return r < 0 && !error->len ? strbuf_fail(error, r, "cannot change the backlog: %m") : r;
}

bool unix_listener_is_lost(const struct handoff_addr *addr, struct unix_file file)
{
	struct stat st;

	return path_of(addr) && (lstat(path_of(addr), &st) < 0 || !same_file(&st, file));
}

void unix_listener_remove(const struct handoff_addr *addr, struct unix_file file)
{
	if (path_of(addr))
		safe_path_remove(path_of(addr), file.dev, file.inode);
}

int unix_listener_end(int fd)
{
	return shutdown(fd, SHUT_RD) < 0 ? -errno : 0;
}
