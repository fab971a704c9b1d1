#include "words.h"

#include <sys/param.h>
#include "base/units.h"

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

/*
 * Reads what is quoted, *@at at the quote, to *@out. In double quotes, a line that ends with a
 * backslash goes on in the next. Moves *@at and *@out. False: the other quote is missing.
 */
static bool read_quoted(const char **at, char **out)
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
			if (read_quoted(at, out))
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

int words_split(enum words_kind kind, const char *text, char ***ret, size_t *ret_len,
		struct strbuf *ret_error)
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
	*ret = word;
	*ret_len = text_len;
	word = NULL;
	return (int)n;
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

void words_add_command(struct strbuf *out, char *const *words)
{
	for (size_t i = 0; words && words[i]; i++) {
		strbuf_add(out, i ? " " : "");
		words_add_quoted(out, words[i]);
	}
}

bool words_have_bytes(const char *text, const char *word, size_t n)
{
	for (size_t len; *text; text += len) {
		text += strspn(text, " \t");
		len = strcspn(text, " \t");
		if (len && len == n && !strncasecmp(text, word, n))
			return true;
	}
	return false;
}

size_t words_name_len(const char *text)
{
	size_t len =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return text[len] == '=' && (*text < '0' || *text > '9') ? len : 0;
}

/* --- lists --------------------------------------------------------------------------- */

int strlist_append(char ***list, const char *text)
{
	char **bigger;
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	bigger = realloc(*list, (n + 2) * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	bigger[n + 1] = NULL;
	bigger[n] = strdup(text);
	return bigger[n] ? 0 : -ENOMEM;
}

int strlist_copy(char *const *from, char ***ret)
{
	char **copy = NULL;

	for (; *from; from++)
		if (strlist_append(&copy, *from) < 0) {
			strlist_free(copy);
			return -ENOMEM;
		}
	*ret = copy;
	return 0;
}

void strlist_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

bool strlist_equal(char *const *a, char *const *b)
{
	for (; a && b && *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return (!a || !*a) && (!b || !*b);
}

/* --- files of variables ---------------------------------------------------------------- */

/* The rest of the line, and as many more as belong to it. False: a quote is open. */
static bool read_value(const char **at, char **out)
{
	char *kept = *out; /* blanks behind it are dropped */
	char c;

	*at += strspn(*at, " \t\r");
	while ((c = **at)) {
		if (c == '\'' || c == '"') {
			if (!read_quoted(at, out))
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
static const char *skip_comments(const char *at)
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
	for (const char *at = skip_comments(text); *at; at = skip_comments(at)) {
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

/* --- the word that was probably meant ------------------------------------------------- */

#define LONGEST	  40 /* no word of ours is longer, so nothing longer is near one */
#define EDITS_MAX 3

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

/* The usual matrix: edits from the first i letters to the first j. */
static unsigned distance(const char *a, const char *b)
{
	unsigned edits[LONGEST + 1][LONGEST + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > LONGEST || b_len > LONGEST)
		return LONGEST;
	for (size_t i = 0; i <= a_len; i++)
		for (size_t j = 0; j <= b_len; j++) {
			unsigned least = (unsigned)(i + j);

			if (i && j) {
				least = edits[i - 1][j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
				least = MIN(least, edits[i - 1][j] + 1);
				least = MIN(least, edits[i][j - 1] + 1);
			}
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				least = MIN(least, edits[i - 2][j - 2] + 1);
			edits[i][j] = least;
		}
	return edits[a_len][b_len];
}

const char *nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t limit = MIN(strlen(word) / 3, EDITS_MAX);
	const char *best = NULL;

	/* A word of two letters is one edit from too much; still, case alone never is an edit. */
	for (size_t i = 0; i < n; i++) {
		unsigned edits = candidates[i] ? distance(word, candidates[i]) : LONGEST;

		if (edits > limit)
			continue;
		best = candidates[i];
		if (edits == 0)
			break;
		limit = edits - 1;
	}
	return best;
}

const char *nearest_signal(const char *word)
{
	return nearest(strncmp(word, "SIG", 3) == 0 ? word + 3 : word, units_signal_names,
		       UNITS_SIGNALS);
}

const char *synonym_find(const struct synonym *synonyms, const char *word)
{
	for (; synonyms->word; synonyms++)
		if (!strcmp(synonyms->word, word))
			return synonyms->here;
	return NULL;
}
