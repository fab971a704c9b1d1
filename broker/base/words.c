#include "words.h"

#include <errno.h>
#include <string.h>

static int bad_shell(enum words_kind kind, char c, struct strbuf *ret_error)
{
	if (kind == WORDS_COMMAND)
		return strbuf_fail(
			ret_error, -EINVAL,
			"\"%c\" outside quotes, but no shell is run: write command = sh -c "
			"'...', or quote the \"%c\" if the program itself is to get it",
			c, c);
	return strbuf_fail(ret_error, -EINVAL,
			   "\"%c\" outside quotes, but nothing is expanded here: put it in single "
			   "quotes if it is meant as it stands",
			   c);
}

bool words_read_quoted(const char **at, char **out)
{
	const char *s = *at;
	char quote = *s++, c;

	while ((c = *s++)) {
		if (c == quote) {
			*at = s;
			return true;
		}
		if (quote == '"' && c == '\\' && *s && strchr("\"\\$`\n", *s)) {
			c = *s++;
			if (c == '\n')
				continue;
		}
		*(*out)++ = c;
	}
	return false;
}

/* Reads one word, *@at its first character. */
static int read_word(enum words_kind kind, const char **at, char **out, struct strbuf *ret_error)
{
	while (**at && !strchr(" \t", **at)) {
		char c = **at;

		if (c == '\'' || c == '"') {
			if (words_read_quoted(at, out))
				continue;
			return strbuf_fail(ret_error, -EINVAL,
					   "a quote is opened with %c and never closed", c);
		}
		++*at;
		if (c == '\\') {
			c = *(*at)++;
			if (!c)
				return strbuf_fail(
					ret_error, -EINVAL,
					"a backslash at the end: a line cannot be continued");
		} else if (strchr(kind == WORDS_COMMAND ? "$`|;&<>" : "$`", c)) {
			return bad_shell(kind, c, ret_error);
		}
		*(*out)++ = c;
	}
	*(*out)++ = '\0';
	return 0;
}

int words_split(enum words_kind kind, const char *text, struct words *ret, struct strbuf *ret_error)
{
	/* Unquoting never makes text longer, and every word but the last has a blank behind it. */
	size_t table = (WORDS_MAX + 1) * sizeof(char *), n = 0, text_len = 0;
	_cleanup_free_ char **word = malloc(table + strlen(text) + 1);
	const char *at = text;
	char *strings, *out;

	if (!word)
		return -ENOMEM;
	strings = out = (char *)word + table;

	for (;;) {
		int r;

		at += strspn(at, " \t");
		if (!*at || *at == '#')
			break;
		if (n == WORDS_MAX)
			return strbuf_fail(ret_error, -EINVAL, "more than %d words", WORDS_MAX);
		word[n++] = out;
		r = read_word(kind, &at, &out, ret_error);
		if (r < 0)
			return r;
		text_len = (size_t)(at - text);
	}
	if (out - strings > WORDS_BYTES_MAX)
		return strbuf_fail(ret_error, -EINVAL, "more than %d bytes", WORDS_BYTES_MAX);
	word[n] = NULL;
	*ret = (struct words){ .word = word, .n = n, .text_len = text_len };
	word = NULL;
	return 0;
}

void words_free(struct words *words)
{
	free(words->word);
	*words = (struct words){ 0 };
}

void words_add_quoted(struct strbuf *out, const char *word)
{
	bool bare = *word && *word != '#' && !strpbrk(word, " \t'\"\\$`|;&<>");
	const char *quote = bare ? "" : strchr(word, '\'') ? "\"" : "'";
	/* What is not escaped as a message would be: a tab can stand in a file. */
	const char *own = *quote == '"' ? "\t\"\\$`" : "\t";

	strbuf_add(out, quote);
	for (;;) {
		size_t n = strcspn(word, own);

		strbuf_add_escaped(out, word, n);
		word += n;
		if (!*word)
			break;
		strbuf_addf(out, *word == '\t' ? "%c" : "\\%c", *word);
		word++;
	}
	strbuf_add(out, quote);
}

size_t words_name_len(const char *text)
{
	size_t len =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return text[len] == '=' && (*text < '0' || *text > '9') ? len : 0;
}
