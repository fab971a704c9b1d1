#include "paths.h"

static char *paths[PATHS_MAX + 1]; /* from 1 */
static uint16_t n_paths;

/* 0: there is none. */
static uint16_t find(const char *name)
{
	uint16_t i = n_paths;

	while (i && strcmp(paths[i], name) != 0)
		i--;
	return i;
}

static bool is_good(const char *name)
{
	const char *c = name;

	while (*c > ' ' && *c <= '~' && *c != '"' && *c != '\\')
		c++;
	return !*c && name[0] && name[1] && c <= name + PATHS_LEN;
}

int paths_number(const char *name, uint16_t *ret, struct strbuf *error)
{
	uint16_t at = find(name);

	if (!is_good(name))
		return strbuf_refuse(
			error, name,
			"is no name of a Unix socket: a path or @NAME of at most %d "
			"characters, all of ASCII and none a blank, quote or backslash",
			PATHS_LEN);
	if (!at && n_paths < PATHS_MAX && (paths[n_paths + 1] = strdup(name)))
		at = ++n_paths;
	if (!at)
		return strbuf_refuse(error, name, "is one Unix socket too many: %d are known",
				     n_paths);
	*ret = at;
	return 0;
}

const char *paths_name(uint16_t number)
{
	return number ? paths[number] : "unix";
}

uint16_t paths_find(const char *sun_path, size_t len)
{
	char text[PATHS_LEN + 2] = "";

	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, sun_path, len);
	if (*text)
		return find(text);
	*text = '@';
	return strlen(text) == len ? find(text) : 0;
}

size_t paths_count(void)
{
	return n_paths;
}
