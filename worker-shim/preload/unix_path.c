#include "unix_path.h"

#include "number.h"

#include <fnmatch.h>
#include <string.h>
#include <sys/un.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

static_assert(HANDOFF_PATH_SIZE == sizeof(((struct sockaddr_un *)0)->sun_path), "kernel ABI");

bool unix_path_next(const char **list, char ret[HANDOFF_PATH_SIZE])
{
	size_t n;

	do {
		*list += strspn(*list, " ");
		n = strcspn(*list, " ");
		if (n < HANDOFF_PATH_SIZE) {
			memcpy(ret, *list, n);
			ret[n] = '\0';
		}
		*list += n;
	} while (n >= HANDOFF_PATH_SIZE);
	return n > 0;
}

static bool is_listed(const char *path, const char *list, bool as_patterns)
{
	char word[HANDOFF_PATH_SIZE];

	while (unix_path_next(&list, word))
		if (as_patterns ? fnmatch(word, path, 0) == 0 : !strcmp(word, path))
			return true;
	return false;
}

/* Whether @pid is one of the numbers in @path. */
static bool names_pid(const char *path, pid_t pid)
{
	for (const char *p = path; *p;) {
		uint64_t number;

		if (*p < '0' || *p > '9')
			p++;
		else if (number_read(&p, 10, INT32_MAX, &number) && number == (uint64_t)pid)
			return true;
		else
			p += strspn(p, "0123456789");
	}
	return false;
}

/* False: it does not fit. A directory of getcwd(3) has no links in it, so .. is what it seems. */
static bool make_absolute(const char *path, const char *directory, char ret[HANDOFF_PATH_SIZE])
{
	size_t n = strlen(directory);

	for (;; path += strspn(path, "/")) {
		if (!strncmp(path, "./", 2)) {
			path += 2;
		} else if (!strncmp(path, "../", 3)) {
			path += 3;
			while (n > 0 && directory[--n] != '/')
				continue;
		} else {
			break;
		}
	}
	while (n > 0 && directory[n - 1] == '/')
		n--;
	if (n + 1 + strlen(path) >= HANDOFF_PATH_SIZE)
		return false;
	*stpncpy(ret, directory, n) = '/';
	strcpy(ret + n + 1, path);
	return true;
}

/* The text of @addr. False: it has none. */
static bool read_name(const struct sockaddr *addr, socklen_t len, const char *directory,
		      char ret[HANDOFF_PATH_SIZE])
{
	char path[HANDOFF_PATH_SIZE + 1] = "";
	size_t size = len > HEAD ? len - HEAD : 0;

	if (size == 0 || size > HANDOFF_PATH_SIZE)
		return false;
	memcpy(path, ((const struct sockaddr_un *)addr)->sun_path, size);
	if (*path && *path != '/')
		return make_absolute(path, directory, ret);
	if (strlen(path + 1) + 1 >= HANDOFF_PATH_SIZE)
		return false;
	*ret = *path ? '/' : '@';
	strcpy(ret + 1, path + 1);
	return *path || (size > 1 && strlen(ret) == size);
}

bool unix_path_is_ours(const struct sockaddr *addr, socklen_t len, const struct unix_place *place,
		       char ret[HANDOFF_PATH_SIZE])
{
	if (!read_name(addr, len, place->directory, ret))
		return false;
	return is_listed(ret, place->sockets, false) ||
	       (!is_listed(ret, place->patterns, true) && !names_pid(ret, place->pid) &&
		!is_listed(ret, "*/pymp-*/listener-*", true));
}

socklen_t unix_path_to_sockaddr(const char *path, struct sockaddr_storage *ret)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)ret;
	size_t n = strlen(path);

	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sun->sun_path, path, n);
	if (*path == '@')
		sun->sun_path[0] = '\0';
	/* The kernel counts what ends a path, too. */
	return (socklen_t)(HEAD + n + (*path == '/'));
}
