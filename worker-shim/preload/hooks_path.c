/*
 * hooks_path.c - the files of Unix sockets, which are the broker's. An app removes what an earlier
 * run may have left, before it binds, and sets mode and owner after that. Of what the broker serves
 * this would shut others out: it is left undone, and succeeds.
 */
#include "hooks.h"

#include "real.h"
#include "rendezvous.h"
#include "shim.h"
#include "table.h"
#include "unix_path.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

/* Where this process has listened on it: an app may remove it after it has closed the socket. */
static const struct slot *find_slot(int dir, const char *path)
{
	/* They are used in their order. */
	for (size_t i = 0; i < TABLE_SLOTS && atomic_load(&table_slots[i].ino); i++)
		if (is_same(dir, path, table_slots[i].app.path))
			return &table_slots[i];
	return NULL;
}

/*
 * Whether another worker has listened on it since this one was started: all of them begin at the
 * same time. Afterwards nothing is asked, as a program that serves may remove files often.
 */
static bool is_new_socket(const char *path)
{
	struct stat st;

	return *path == '/' && strlen(path) < HANDOFF_PATH_SIZE &&
	       !atomic_load(&table_slots[0].ino) && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       rendezvous_ask(path);
}

static bool is_socket(int dir, const char *path)
{
	_keep_errno_ int saved = errno;
	const char *list = shim.sockets;
	char word[HANDOFF_PATH_SIZE];

	if (!shim.active || !path)
		return false;
	while (unix_path_next(&list, word))
		if (is_same(dir, path, word))
			return true;
	return find_slot(dir, path) || is_new_socket(path);
}

/* The others of the service are not meant: an app that found them there would give up. */
bool is_unserved_path(const struct sockaddr *addr, socklen_t len)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)addr;
	const size_t start = offsetof(struct sockaddr_un, sun_path);
	char path[sizeof(sun->sun_path) + 1] = "";

	if (!addr || len <= start || len > sizeof(*sun) || sun->sun_family != AF_UNIX ||
	    getpid() != getpgrp())
		return false;
	memcpy(path, sun->sun_path, len - start);
	return is_socket(AT_FDCWD, path) && !find_slot(AT_FDCWD, path);
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
	const struct slot *slot;

	real_ready();
	if (is_socket(to_dir, to))
		return 0;
	if (!is_socket(from_dir, from))
		return real.renameat(from_dir, from, to_dir, to);
	slot = find_slot(from_dir, from);
	if (slot)
		say(slot,
		    "the broker's socket cannot be renamed: say in the service where clients "
		    "connect, with listen = NEW for OLD",
		    NULL);
	return refuse(EPERM);
}
