#include "env_file.h"

#include "base/strlist.h"
#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *at, *end;
	unsigned line;
	char *out; /* where the next character of an entry goes */
};

static char next(struct reader *r)
{
	char c = *r->at++;

	r->line += c == '\n';
	return c;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Up to the same quote again. False: there is none. */
static bool read_quoted(struct reader *r, char quote)
{
	while (r->at < r->end) {
		char c = next(r);

		if (c == quote)
			return true;
		if (c == '\\' && quote == '"' && r->at < r->end) {
			c = next(r);
			if (c == '\n')
				continue;
			if (!strchr("\"\\`$", c))
				*r->out++ = '\\';
		}
		*r->out++ = c;
	}
	return false;
}

/* The rest of the line, and as many more as belong to it. False: a quote is open. */
static bool read_value(struct reader *r)
{
	char *kept = r->out; /* blanks behind it are dropped */

	while (r->at < r->end && is_blank(*r->at))
		r->at++;
	while (r->at < r->end) {
		char c = next(r);

		if (c == '\n')
			break;
		if (c == '\'' || c == '"') {
			if (!read_quoted(r, c))
				return false;
			kept = r->out;
			continue;
		}
		if (c == '\\' && r->at < r->end) {
			c = next(r);
			if (c == '\n')
				continue;
		}
		*r->out++ = c;
		if (!is_blank(c))
			kept = r->out;
	}
	r->out = kept;
	return true;
}

static void skip_line(struct reader *r)
{
	while (r->at < r->end && next(r) != '\n')
		;
}

int env_file_parse(const char *file, const char *text, size_t len, char ***list,
		   struct strbuf *error)
{
	struct reader r = { .at = text, .end = text + len, .line = 1 };
	_cleanup_free_ char *entry = NULL;

	if (memchr(text, '\0', len))
		return strbuf_fail(error, -EINVAL, "%s: is not a text", file);
	entry = malloc(len + 1);
	if (!entry)
		return -ENOMEM;
	while (r.at < r.end) {
		const char *wrong = NULL;
		unsigned line = r.line;
		size_t name;

		if (is_blank(*r.at) || *r.at == '\n') {
			(void)next(&r);
			continue;
		}
		if (*r.at == '#' || *r.at == ';') {
			skip_line(&r);
			continue;
		}
		name = words_name_len(r.at, (size_t)(r.end - r.at));
		memcpy(entry, r.at, name + 1);
		r.out = entry + name + 1;
		r.at += name + 1;
		if (!name)
			wrong = "a line that is not NAME=value";
		else if (!strncmp(entry, "BROKER_", 7))
			wrong = "sets a name that belongs to the broker (BROKER_...)";
		else if (!read_value(&r))
			wrong = "a quote is not closed";
		if (wrong)
			return strbuf_fail(error, -EINVAL, "%s:%u: %s", file, line, wrong);
		*r.out = '\0';
		if (strlist_append(list, entry) < 0)
			return -ENOMEM;
	}
	return 0;
}
