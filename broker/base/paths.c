#include "paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *paths[PATHS_MAX + 1]; /* from 1 */
static size_t n_paths;

/* 0: there is none. */
static size_t find(const char *name, size_t len)
{
	size_t i = n_paths;

	while (i && (strlen(paths[i]) != len || memcmp(paths[i], name, len) != 0))
		i--;
	return i;
}

static bool is_good(const char *name)
{
	const char *c = name;

	while (*c > ' ' && *c <= '~' && *c != '"' && *c != '\\')
		c++;
	return !*c && name[0] && name[1];
}

int paths_number(const char *name, uint16_t *ret)
{
	size_t at = find(name, strlen(name));

	if (!is_good(name))
		return -EINVAL;
	if (strlen(name) > PATHS_LEN)
		return -ENAMETOOLONG;
	if (!at && n_paths == PATHS_MAX)
		return -ENOSPC;
	if (!at) {
		at = n_paths + 1;
		paths[at] = strdup(name);
		if (!paths[at])
			return -ENOMEM;
		n_paths = at;
	}
	*ret = (uint16_t)at;
	return 0;
}

const char *paths_why(int r)
{
	switch (r) {
	case -EINVAL:
		return "is no name that a Unix socket may have here: a path or @NAME, of ASCII "
		       "characters without blanks, quotes and backslashes";
	case -ENAMETOOLONG:
		return "is too long for a Unix socket (at most 107 characters)";
	case -ENOSPC:
		return "is one Unix socket too many for this broker (4096 names since its start)";
	}
	return "has no room in memory";
}

const char *paths_name(uint16_t number)
{
	return number ? paths[number] : "unix";
}

bool paths_has(const char *sun_path, size_t len)
{
	char text[PATHS_LEN + 2] = "";

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, sun_path, len);
	if (!*text)
		*text = '@';
	else
		len = strlen(text);
	return find(text, len);
}

bool paths_any(void)
{
	return n_paths != 0;
}
