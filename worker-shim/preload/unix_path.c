#include "unix_path.h"

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

bool unix_path_from_sockaddr(const struct sockaddr *addr, socklen_t len,
			     char ret[HANDOFF_PATH_SIZE])
{
	const char *name = ((const struct sockaddr_un *)addr)->sun_path;
	size_t size = len > HEAD ? len - HEAD : 0;

	if (size == 0 || size > HANDOFF_PATH_SIZE || *name == '@' ||
	    strnlen(name, size) == HANDOFF_PATH_SIZE)
		return false;
	memset(ret, 0, HANDOFF_PATH_SIZE);
	memcpy(ret, name, size - (size == HANDOFF_PATH_SIZE));
	if (*ret)
		return true;
	*ret = '@';
	return size > 1 && size < HANDOFF_PATH_SIZE && strlen(ret) == size;
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
