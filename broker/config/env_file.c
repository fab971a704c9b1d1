#include "env_file.h"

#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The rest of the line, and as many more as belong to it. False: a quote is open. */
static bool read_value(const char **at, char **out)
{
	char *kept = *out; /* blanks behind it are dropped */
	char c;

	*at += strspn(*at, " \t\r");
	while ((c = **at)) {
		if (c == '\'' || c == '"') {
			if (!words_read_quoted(at, out))
				return false;
			kept = *out;
			continue;
		}
		++*at;
		if (c == '\n')
			break;
		if (c == '\\' && **at) {
			c = *(*at)++;
			if (c == '\n')
				continue;
		}
		*(*out)++ = c;
		if (!strchr(" \t\r", c))
			kept = *out;
	}
	*kept = '\0';
	return true;
}

/* Behind comments and blanks. */
static const char *skip(const char *at)
{
	for (at += strspn(at, " \t\r\n"); *at == '#' || *at == ';'; at += strspn(at, " \t\r\n"))
		at += strcspn(at, "\n");
	return at;
}

static unsigned line_at(const char *text, const char *at)
{
	unsigned line = 1;

	while (text < at)
		line += *text++ == '\n';
	return line;
}

int env_file_parse(const char *file, const char *text, size_t len, char ***list,
		   struct strbuf *error)
{
	_cleanup_free_ char *entry = NULL;

	if (strlen(text) != len)
		return strbuf_fail(error, -EINVAL, "%s: is not a text", file);
	entry = malloc(len + 1);
	if (!entry)
		return -ENOMEM;
	for (const char *at = skip(text); *at; at = skip(at)) {
		const char *start = at, *wrong = NULL;
		size_t name = words_name_len(at);
		char *out = entry + name + 1;

		memcpy(entry, at, name + 1);
		at += name + 1;
		if (!name)
			wrong = "a line that is not NAME=value";
		else if (!strncmp(entry, "BROKER_", 7))
			wrong = "sets a name that belongs to the broker (BROKER_...)";
		else if (!read_value(&at, &out))
			wrong = "a quote is not closed";
		if (wrong)
			return strbuf_fail(error, -EINVAL, "%s:%u: %s", file, line_at(text, start),
					   wrong);
		if (strlist_append(list, entry) < 0)
			return -ENOMEM;
	}
	return 0;
}
