#include "env_file.h"

#include "base/strlist.h"
#include "base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *text;
	size_t at, len;
	char *out; /* where the next character of an entry goes */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The rest of the line, and as many more as belong to it. False: a quote is open. */
static bool read_value(struct reader *r)
{
	char *kept = r->out; /* blanks behind it are dropped */

	while (r->at < r->len && is_blank(r->text[r->at]))
		r->at++;
	while (r->at < r->len) {
		char c = r->text[r->at++];

		if (c == '\n')
			break;
		if (c == '\'' || c == '"') {
			if (!words_read_quoted(c, r->text, r->len, &r->at, &r->out))
				return false;
			kept = r->out;
			continue;
		}
		if (c == '\\' && r->at < r->len) {
			c = r->text[r->at++];
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

/* Behind comments and blanks. */
static void skip(struct reader *r)
{
	const char *s = r->text;

	for (bool comment = false; r->at < r->len; r->at++) {
		char c = s[r->at];

		comment = c != '\n' && (comment || c == '#' || c == ';');
		if (!comment && c != '\n' && !is_blank(c))
			return;
	}
}

static unsigned line_at(const struct reader *r, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at; i++)
		line += r->text[i] == '\n';
	return line;
}

int env_file_parse(const char *file, const char *text, size_t len, char ***list,
		   struct strbuf *error)
{
	struct reader r = { .text = text, .len = len };
	_cleanup_free_ char *entry = NULL;

	if (memchr(text, '\0', len))
		return strbuf_fail(error, -EINVAL, "%s: is not a text", file);
	entry = malloc(len + 1);
	if (!entry)
		return -ENOMEM;
	for (skip(&r); r.at < len; skip(&r)) {
		size_t start = r.at, name = words_name_len(text + start, len - start);
		const char *wrong = NULL;

		memcpy(entry, text + start, name + 1);
		r.out = entry + name + 1;
		r.at += name + 1;
		if (!name)
			wrong = "a line that is not NAME=value";
		else if (!strncmp(entry, "BROKER_", 7))
			wrong = "sets a name that belongs to the broker (BROKER_...)";
		else if (!read_value(&r))
			wrong = "a quote is not closed";
		if (wrong)
			return strbuf_fail(error, -EINVAL, "%s:%u: %s", file, line_at(&r, start),
					   wrong);
		*r.out = '\0';
		if (strlist_append(list, entry) < 0)
			return -ENOMEM;
	}
	return 0;
}
