/*
 * hooks_path.c - the files of Unix sockets, which are the broker's. An app removes what an earlier
 * run may have left, before it binds, and sets mode and owner after that. Of what the broker serves
 * this would shut others out: it is left undone, and succeeds.
 */
#include <sys/stat.h>
#include "hooks.h"
#include "shim.h"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool stat_directory(int dir, const char *path, struct stat *ret)
{
	size_t n = (size_t)(last_part(path) - path);
	char text[PATH_MAX] = ".";

	if (n >= sizeof(text))
		return false;
	memcpy(text, path, n);
	return fstatat(dir, text, ret, 0) == 0;
}

/* However it is written, and by whatever links. Asks the kernel only if the last parts agree. */
static bool is_same(int dir, const char *path, const char *socket)
{
	struct stat one, other;

	if (*socket != '/' || strcmp(last_part(path), last_part(socket)) != 0)
		return false;
	return stat_directory(dir, path, &one) && stat_directory(AT_FDCWD, socket, &other) &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* The one of the broker's that @path is, a file below @dir or with @is_name perhaps an abstract
 * one. */
static bool find_socket(int dir, const char *path, bool is_name, char ret[HANDOFF_PATH_SIZE])
{
	_keep_errno_ int saved = errno;
	const char *list = shim.sockets;

	if (!shim.active || !path)
		return false;
	while (unix_path_next(&list, ret))
		if (is_name && *path == '@' ? !strcmp(path, ret) : is_same(dir, path, ret))
			return true;
	return false;
}

bool find_socket_at(const struct sockaddr *addr, socklen_t len, char ret[HANDOFF_PATH_SIZE])
{
	char path[HANDOFF_PATH_SIZE];

	return unix_path_from_sockaddr(addr, len, path) && find_socket(AT_FDCWD, path, true, ret);
}

static bool is_socket(int dir, const char *path)
{
	char unused[HANDOFF_PATH_SIZE];

	return find_socket(dir, path, false, unused);
}

/* Where this process has listened on it: an app may remove it after it has closed the socket. */
static const struct slot *find_slot(const char *socket)
{
	/* They are used in their order. */
	for (size_t i = 0; i < TABLE_SLOTS && atomic_load(&table_slots[i].ino); i++)
		if (!strcmp(table_slots[i].app.path, socket))
			return &table_slots[i];
	return NULL;
}

/* The others of the service are not meant: an app that found them there would give up. */
bool is_unserved_path(const struct sockaddr *addr, socklen_t len)
{
	char socket[HANDOFF_PATH_SIZE];

	return addr && len >= sizeof(sa_family_t) && addr->sa_family == AF_UNIX &&
	       getpid() == getpgrp() && find_socket_at(addr, len, socket) && !find_slot(socket);
}

#define UNLESS_SOCKET(type, name, parameters, dir, path, ...)                                      \
	type hook_##name parameters                                                                \
	{                                                                                          \
		real_ready();                                                                      \
		return is_socket(dir, path) ? 0 : real.name(__VA_ARGS__);                          \
	}

HOOKS_OF_PATHS(UNLESS_SOCKET)

int hook_rename(const char *from, const char *to)
{
	return hook_renameat(AT_FDCWD, from, AT_FDCWD, to);
}

/* A new name for a socket is nothing that the broker can be told. */
int hook_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char socket[HANDOFF_PATH_SIZE];
	const struct slot *slot;

	real_ready();
	if (is_socket(to_dir, to))
		return 0;
	if (!find_socket(from_dir, from, false, socket))
		return real.renameat(from_dir, from, to_dir, to);
	slot = find_slot(socket);
	if (slot)
		say(&slot->app,
		    "the broker's socket cannot be renamed: say in the service where clients "
		    "connect, with listen = NEW for OLD",
		    NULL);
	return refuse(EPERM);
}
