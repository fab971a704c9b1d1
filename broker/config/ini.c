#include "ini.h"

#include "base/utf8.h"

#include <string.h>

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && memchr(" \t", **text, 2)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && memchr(" \t", (*text)[*len - 1], 2))
		(*len)--;
}

void ini_init(struct ini *ini, const char *text, size_t len)
{
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	*ini = (struct ini){ .at = text, .end = text + len };
}

/* What no line may hold, or NULL. */
static const char *bad_bytes(const char *line, size_t len)
{
	const unsigned char *s = (const unsigned char *)line;

	if (len > INI_LINE_MAX)
		return "the line is longer than 65536 bytes";
	for (size_t i = 0; i < len;) {
		size_t n = 1;

		if (s[i] == '\0')
			return "the line holds a NUL byte: this is not a text file";
		if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return "the line holds a control character";
		if (s[i] >= 0x80)
			n = utf8_len(s + i, len - i);
		if (n == 0)
			return "the line is not valid UTF-8";
		i += n;
	}
	return NULL;
}

static void set_name(struct ini_item *ret, const char *name, size_t len)
{
	trim(&name, &len);
	if (len > INI_NAME_MAX)
		len = INI_NAME_MAX;
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
}

static enum ini_kind read_section(const char *line, size_t len, struct ini_item *ret,
				  struct strbuf *ret_error)
{
	const char *close = memchr(line, ']', len);
	const char *after;
	size_t left;

	if (!close) {
		strbuf_add_quoted_bytes(ret_error, line, len);
		strbuf_add(ret_error, " has no closing bracket: write [section]");
		return INI_BAD_SECTION;
	}
	after = close + 1;
	left = len - (size_t)(after - line);
	trim(&after, &left);
	if (left > 0 && *after != '#' && *after != ';') {
		strbuf_add(ret_error, "nothing may follow [section], but there is ");
		strbuf_add_quoted_bytes(ret_error, after, left);
		return INI_BAD_SECTION;
	}
	set_name(ret, line + 1, (size_t)(close - line) - 1);
	return INI_SECTION;
}

static enum ini_kind read_setting(const char *line, size_t len, struct ini_item *ret,
				  struct strbuf *ret_error)
{
	const char *equals = memchr(line, '=', len);

	if (!equals || equals == line) {
		strbuf_add_quoted_bytes(ret_error, line, len);
		strbuf_add(ret_error, " is neither [section] nor key = value");
		return INI_BAD;
	}
	set_name(ret, line, (size_t)(equals - line));
	ret->value = equals + 1;
	ret->value_len = len - (size_t)(ret->value - line);
	trim(&ret->value, &ret->value_len);
	return INI_SETTING;
}

enum ini_kind ini_next(struct ini *ini, struct ini_item *ret, struct strbuf *ret_error)
{
	while (ini->at < ini->end) {
		const char *line = ini->at;
		size_t len = (size_t)(ini->end - line);
		const char *newline = memchr(line, '\n', len);
		const char *problem;

		if (newline)
			len = (size_t)(newline - line);
		ini->at = newline ? newline + 1 : ini->end;
		ini->line++;
		if (len > 0 && line[len - 1] == '\r')
			len--;

		problem = bad_bytes(line, len);
		if (problem) {
			strbuf_add(ret_error, problem);
			return INI_BAD;
		}
		trim(&line, &len);
		if (len == 0 || *line == '#' || *line == ';')
			continue;
		if (*line == '[')
			return read_section(line, len, ret, ret_error);
		return read_setting(line, len, ret, ret_error);
	}
	return INI_END;
}
